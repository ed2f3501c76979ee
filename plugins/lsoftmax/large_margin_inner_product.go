// Package lsoftmax provides the layer LargeMarginInnerProduct: the large-margin
// softmax loss (L-Softmax).
//
//	import _ "github.com/gocaffe/gocaffe/plugins/lsoftmax"
package lsoftmax

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/plugins/margin"
)

//go:embed large_margin_inner_product.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "LargeMarginInnerProduct",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "largemargin_inner_product_param",
			Number:  202,
			Proto:   schema,
			Message: "LargeMarginInnerProductParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newLargeMargin,
		Kernels: margin.Kernels,
		Doc: `Inner products with a margin in the angle to the true class, for the large-margin softmax loss
(L-Softmax). Follow it with a SoftmaxWithLoss. For the true class t of an item x, with
c = x w[t] / (|x| |w[t]| + 1e-9),

	y[t] = ( |x| |w[t]| psi(c) + lambda x w[t] ) / (1 + lambda)
	psi(cos a) = (-1)^n cos(m a) - 2n    for a from n pi/m to (n+1) pi/m

and y[k] = x w[k] for the others, or for all if m = 1. lambda anneals the margin:

	lambda = max(base (1 + gamma iteration)^-power, lambda_min)

where the iteration counts up before each forward pass of the layer, in either phase and in each part of
iter_size. Nets for testing usually have a second layer of the same name and weights, of type SINGLE.

Bottoms: x, M items whose elements are the axes from axis on; labels 0 to num_output-1, one per item, without
a gradient.
Tops: y, num_output elements per item; optionally lambda, 1 element.
Weights: num_output x elements of an item. There is no bias.

largemargin_inner_product_param:
	num_output: the number of classes
	type (SINGLE): m: SINGLE 1, DOUBLE 2, TRIPLE 3, QUADRUPLE 4
	weight_filler (constant 0)
	axis (1): the first axis of an item; a negative one counts from the last
	base (1), gamma (0), power (1), lambda_min (0): see above
	iteration (0): number of passes that count as already done

Source: github.com/wyliu/LargeMargin_Softmax_Loss, largemargin_inner_product_layer.cpp; Liu, Wen, Yu, Yang,
"Large-Margin Softmax Loss for Convolutional Neural Networks" (ICML 2016)`,
	})
}

const field = "largemargin_inner_product_param"

// largeMargin implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include lambda's iteration; the second top is
// optional; the gradient of an item of length 0 is that of lambda x w[t], not NaN.
type largeMargin struct{ *margin.InnerProduct }

var _ layers.Layer = (*largeMargin)(nil)

func newLargeMargin(s *layers.Spec) (layers.Layer, error) {
	inner, err := margin.New(s, field)
	if err != nil {
		return nil, err
	}
	return &largeMargin{inner}, nil
}

// tiny keeps the fork's quotients finite.
const tiny = 1e-9

// Forward computes the tops.
func (l *largeMargin) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.Start(bottom, top); err != nil {
		return err
	}
	l.Product(bottom[0], top[0])
	if l.Factor == 1 {
		return nil
	}
	x, weights, y := bottom[0].Data(), l.Blobs[0].Data(), top[0].MutableData()
	for i := range l.M {
		it, score := &l.Kept[i], &y[l.At(i)]
		it.NormX, it.NormW = margin.Norm(l.X(x, i)), margin.Norm(l.W(weights, i))
		product := it.NormX*it.NormW + tiny
		it.Cos = *score / product
		psi, _, _ := margin.Psi(l.Factor, it.Cos)
		*score = (product*psi + l.Lambda**score) / (1 + l.Lambda)
	}
	return nil
}

// Backward computes the diff of x and adds to that of the weights. The true
// class's gradient by x (or w) has a part along w (or x), which goes through the
// matrix product like the gradients of the other classes, and a part along x (or w)
// itself, which is added.
func (l *largeMargin) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.Spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	dy := top[0].Diff()
	g := dy
	if l.Factor > 1 {
		g = l.Gradient(dy, l.across)
	}
	if propagateDown[0] {
		l.BackwardX(g, bottom[0])
	}
	if l.Needs(0) {
		l.BackwardW(g, bottom[0])
	}
	if l.Factor == 1 {
		return nil
	}
	x, weights := bottom[0], l.Blobs[0]
	for i := range l.M {
		it := &l.Kept[i]
		_, _, along := margin.Psi(l.Factor, it.Cos)
		along *= -dy[l.At(i)] / (1 + l.Lambda)
		if propagateDown[0] && it.NormX > 0 {
			kernel.Axpy(nil, along*((it.NormW+tiny)/it.NormX), l.X(x.Data(), i), l.X(x.MutableDiff(), i))
		}
		if l.Needs(0) {
			kernel.Axpy(nil, along*(it.NormX/(it.NormW+tiny)), l.W(weights.Data(), i), l.W(weights.MutableDiff(), i))
		}
	}
	return nil
}

func (l *largeMargin) across(i int) float32 {
	_, across, _ := margin.Psi(l.Factor, l.Kept[i].Cos)
	return across
}
