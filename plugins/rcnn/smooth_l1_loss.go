package rcnn

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:     "SmoothL1Loss",
		Dialects: []string{"rcnn", "rfcn"}, // rfcn includes rcnn; its own types too show which SmoothL1Loss is meant
		Group:    "loss",
		Plugin: &layers.Plugin{
			Field:   "smooth_l1_loss_param",
			Number:  8266712,
			Proto:   layers.Schema(schemas, "smooth_l1_loss.proto"),
			Message: "SmoothL1LossParameter",
		},
		Extends: layers.Schema(schemas, "loss.proto"),
		Bottoms: layers.Between(2, 4),
		Tops:    layers.Between(1, 2),
		New:     newSmoothL1Loss,
		Kernels: smoothL1LossKernels,
		Doc: `Distance of two blobs, squared where it is small, averaged over the N items:

	E = 1/N sum of b f(a (x0 - x1))      f(d) = 1/2 (sigma d)^2 if |d| < 1/sigma^2, else |d| - 1/2 / sigma^2

Without loss_weight its loss weight is 0, not 1 as that of other losses: write "loss_weight: 1".

Bottoms: x0 and x1, both of N items of equal size; both have a gradient. Then none or two of the same shape: the inside
weights a and the outside weights b, without them 1. Their gradient is 0.
Tops: E, a scalar; optionally the sums over the channels, N x 1 x H x W, which have no gradient.

With three bottoms, or with loss_param, it is the layer of R-FCN, which is SmoothL1LossOHEM. SSD's layer SmoothL1Loss
has neither sigma nor weights.

smooth_l1_loss_param:
	sigma (1): what bounds the quadratic part
loss_param:
	normalization, pre_fixed_normalizer, normalize: as of SmoothL1LossOHEM

Source: github.com/rbgirshick/caffe-fast-rcnn (branch faster-rcnn), smooth_L1_loss_layer.cu; the second top:
github.com/zhaoweicai/cascade-rcnn`,
	})
}

// smoothL1Loss implements SmoothL1Loss, as its registration describes it, and
// SmoothL1LossOHEM.
type smoothL1Loss struct {
	layers.OnRecordableDevice
	spec     *layers.Spec
	sigma2   float32
	ohem     bool // SmoothL1LossOHEM
	norm     lossNorm
	gradient []float32 // of the sum by x0, which Backward needs

	onDevice, terms blob.Blob // gradient and the terms of the sum on a device
}

var (
	_ layers.Layer          = (*smoothL1Loss)(nil)
	_ layers.BackwardForcer = (*smoothL1Loss)(nil)
	_ layers.BackwardReader = (*smoothL1Loss)(nil)
)

func newSmoothL1Loss(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Sigma float32 `proto:"sigma"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if square := o.Sigma * o.Sigma; !(square > 0) || square > math.MaxFloat32 {
		return nil, s.Errorf("smooth_l1_loss_param.sigma", "sigma is %v, want a number whose square is positive and finite", o.Sigma)
	}
	ohem := len(s.Param.GetBottom()) == 3 || s.Param.LossParam != nil
	switch {
	case !ohem:
		return &smoothL1Loss{spec: s, sigma2: o.Sigma * o.Sigma}, nil
	case len(s.Param.GetBottom()) == 4:
		return nil, s.Errorf("loss_param", "loss_param is R-FCN's, whose layer has 2 or 3 bottoms: remove it, or the outside weights")
	case s.HasOption(""):
		return nil, s.Errorf("smooth_l1_loss_param", "smooth_l1_loss_param is R-CNN's, whose layer has 2 bottoms, or 4 with inside and outside weights, and no loss_param")
	}
	return newSmoothL1LossOHEM(s)
}

// AllowForceBackward returns false for the weights.
func (l *smoothL1Loss) AllowForceBackward(i int) bool { return i < 2 }

// BackwardReads returns that Backward reads no data.
func (l *smoothL1Loss) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *smoothL1Loss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms.
func (l *smoothL1Loss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	for i, b := range bottom {
		if b.Axes() == 0 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d is a scalar, want items", i))
		}
		if b.Dim(0) != x.Dim(0) || b.CountFrom(1) != x.CountFrom(1) {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottoms 0 and %d have shapes %v and %v, want as many items of equal size",
				i, x.Shape(), b.Shape()))
		}
	}
	if err := l.spec.NoItems(x.Dim(0), x); err != nil {
		return err
	}
	for _, b := range []*blob.Blob{&l.onDevice, &l.terms} {
		if err := b.Reshape(x.Count()); err != nil {
			return l.spec.ErrorAt("bottom", 0, err)
		}
	}
	if len(top) > 1 {
		shape := [...]int{x.Dim(0), 1, 1, 1}
		if x.Axes() > 4 {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want at most 4 axes for a second top", x.Shape()))
		}
		for axis := 2; axis < x.Axes(); axis++ {
			shape[axis] = x.Dim(axis)
		}
		if err := top[1].Reshape(shape[:]...); err != nil {
			return l.spec.ErrorAt("top", 1, err)
		}
	}
	return top[0].Reshape()
}

// places returns the number of places of an item that have channels.
func places(x *blob.Blob) int {
	if x.Axes() < 3 {
		return 1
	}
	return x.CountFrom(2)
}

// normalizer returns what the sum is divided by.
func (l *smoothL1Loss) normalizer(x *blob.Blob) float32 {
	if !l.ohem {
		return float32(x.Dim(0))
	}
	return l.norm.normalizer(x.Dim(0), places(x))
}

// Forward computes the tops.
func (l *smoothL1Loss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.gradient = layers.Resize(l.gradient, bottom[0].Count())
	kernel.Sub(l.spec.Env.Workers, bottom[0].Data(), bottom[1].Data(), l.gradient)
	var inside, outside, sums []float32
	if len(bottom) > 2 {
		inside = bottom[2].Data()
	}
	if len(bottom) > 3 {
		outside = bottom[3].Data()
	}
	if len(top) > 1 {
		sums = top[1].MutableData()
		clear(sums)
	}
	inner, item := places(bottom[0]), bottom[0].CountFrom(1)
	var sum float64
	for i, d := range l.gradient {
		a, b := float32(1), float32(1)
		if inside != nil {
			a = inside[i]
		}
		if outside != nil {
			b = outside[i]
		}
		f, slope := l.smoothL1(a * d)
		term := b * f
		sum += float64(term)
		if sums != nil {
			sums[i/item*inner+i%inner] += term
		}
		if l.ohem {
			l.gradient[i] = slope
		} else {
			l.gradient[i] = b * (a * slope)
		}
	}
	top[0].MutableData()[0] = float32(sum / float64(l.normalizer(bottom[0])))
	return nil
}

// smoothL1 returns f(d) of SmoothL1Loss and its derivative.
func (l *smoothL1Loss) smoothL1(d float32) (f, slope float32) {
	a := max(d, -d)
	if float64(a) < 1/float64(l.sigma2) {
		return 0.5 * d * d * l.sigma2, l.sigma2 * d
	}
	return float32(float64(a) - 0.5/float64(l.sigma2)), kernel.Sign(d)
}

// Backward computes the diffs of the bottoms.
func (l *smoothL1Loss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	scale := top[0].Diff()[0] / l.normalizer(bottom[0])
	for i, b := range bottom[:2] {
		if propagateDown[i] {
			kernel.Scale(l.spec.Env.Workers, scale, l.gradient, b.MutableDiff())
		}
		scale = -scale
	}
	clearDiffs(propagateDown, bottom, 2)
	return nil
}
