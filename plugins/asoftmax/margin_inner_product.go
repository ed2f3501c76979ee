// Package asoftmax provides the layer MarginInnerProduct: the angular softmax
// loss (A-Softmax) of SphereFace.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/asoftmax"
package asoftmax

import (
	"context"
	_ "embed"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/plugins/margin"
)

//go:embed margin_inner_product.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "MarginInnerProduct",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "margin_inner_product_param",
			Number:  232,
			Proto:   schema,
			Message: "MarginInnerProductParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newMarginInnerProduct,
		Kernels: margin.Kernels,
		Doc: `Inner products with class vectors of length 1 and a margin in the angle to the true class, for the angular
softmax loss (A-Softmax, SphereFace). Follow it with a SoftmaxWithLoss. Each forward pass, in either phase, first
scales the stored rows of W to length 1. For the true class t of an item x, with c = x w[t] / |x|,

	y[t] = ( |x| psi(c) + lambda x w[t] ) / (1 + lambda)
	psi(cos a) = (-1)^n cos(m a) - 2n    for a from n pi/m to (n+1) pi/m

and y[k] = x w[k] for the others, or for all if m = 1. lambda anneals the margin:

	lambda = max(base (1 + gamma iteration)^-power, lambda_min)

where the iteration counts up before each forward pass of the layer, in either phase and in each part of
iter_size.

The gradient is deliberately not the derivative. W gets the gradient of a plain inner product, without margin
or scaling. The true class adds p w[t] + q x, without lambda, to the gradient of x; if m > 1, the pair (p, q)
is scaled to length 1.

Bottoms: x, M items whose elements are the axes from axis on; labels 0 to num_output-1, one per item, without
a gradient.
Tops: y, num_output elements per item; optionally lambda, 1 element.
Weights: num_output x elements of an item. There is no bias.

margin_inner_product_param:
	num_output: the number of classes
	type (SINGLE): m: SINGLE 1, DOUBLE 2, TRIPLE 3, QUADRUPLE 4
	weight_filler (constant 0): must be set, since vectors of length 0 stay at 0
	axis (1): the first axis of an item; a negative one counts from the last
	base (1), gamma (0), power (1), lambda_min (0): see above
	iteration (0): number of passes that count as already done

In binary files the field has the number it has in caffe-windows. SphereFace's number, 147, is swish_param in
Caffe; SphereFace's prototxt and weights load nevertheless.

Source: github.com/wyliu/sphereface, margin_inner_product_layer.cpp; Liu, Wen, Yu, Li, Raj, Song, "SphereFace:
Deep Hypersphere Embedding for Face Recognition" (CVPR 2017)`,
	})
}

const field = "margin_inner_product_param"

// marginInnerProduct implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include lambda's iteration; the second top is
// optional; items and class vectors of length 0 have the cosine 0, not NaN.
type marginInnerProduct struct{ *margin.InnerProduct }

var _ layers.Layer = (*marginInnerProduct)(nil)

func newMarginInnerProduct(s *layers.Spec) (layers.Layer, error) {
	inner, err := margin.New(s, field)
	if err != nil {
		return nil, err
	}
	return &marginInnerProduct{inner}, nil
}

// Forward scales the weights and computes the tops.
func (l *marginInnerProduct) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.Start(bottom, top); err != nil {
		return err
	}
	l.normalize()
	l.Product(bottom[0], top[0])
	if l.Factor == 1 {
		return nil
	}
	x, y := bottom[0].Data(), top[0].MutableData()
	for i := range l.M {
		it, score := &l.Kept[i], &y[l.At(i)]
		it.NormX, it.Cos = margin.Norm(l.X(x, i)), 0
		if it.NormX > 0 {
			it.Cos = *score / it.NormX
		}
		psi, _, _ := margin.Psi(l.Factor, it.Cos)
		*score = (it.NormX*psi + l.Lambda**score) / (1 + l.Lambda)
	}
	return nil
}

// normalize scales the class vectors to length 1.
func (l *marginInnerProduct) normalize() {
	w := l.Blobs[0].MutableData()
	kernel.NormalizeRows(l.Spec.Env.Workers, l.N, l.K, 0, w, w)
}

// Backward computes the diff of x and adds to that of the weights.
func (l *marginInnerProduct) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.Spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	dy := top[0].Diff()
	if l.Needs(0) {
		l.BackwardW(dy, bottom[0])
	}
	switch {
	case !propagateDown[0]:
	case l.Factor == 1:
		l.BackwardX(dy, bottom[0])
	default:
		l.BackwardX(l.Gradient(dy, l.across), bottom[0])
		x, dx := bottom[0].Data(), bottom[0].MutableDiff()
		for i := range l.M {
			_, q := l.coefficients(i)
			kernel.Axpy(nil, dy[l.At(i)]*q/(1+l.Lambda), l.X(x, i), l.X(dx, i))
		}
	}
	return nil
}

func (l *marginInnerProduct) across(i int) float32 {
	p, _ := l.coefficients(i)
	return p
}

// coefficients returns p and q of item i's gradient p w + q x, scaled so that
// (p, q) has length 1. For an x of length 0 both are 0.
func (l *marginInnerProduct) coefficients(i int) (p, q float32) {
	it := &l.Kept[i]
	if it.NormX == 0 {
		return 0, 0
	}
	_, across, along := margin.Psi(l.Factor, it.Cos)
	along /= -it.NormX
	length := float32(math.Hypot(float64(across), float64(along)))
	return across / length, along / length
}
