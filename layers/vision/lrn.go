package vision

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "LRN",
		Group: "vision",
		Param: "lrn_param",
		Doc: `Local response normalization:

	y = x / (k + alpha / n  sum of x^2 over the neighbours)^beta

For ACROSS_CHANNELS the neighbours are the local_size channels around that of x, and n is local_size. For
WITHIN_CHANNEL they are the local_size x local_size square of the image around x, n is its area and k is 1.
Elements outside the image count as 0.

Bottom: x: items x channels x height x width.
Top: y, of the same shape. Must not be the bottom itself.

lrn_param:
	local_size (5): odd
	alpha (1), beta (0.75), k (1): see above
	norm_region (ACROSS_CHANNELS): ACROSS_CHANNELS or WITHIN_CHANNEL
	engine: accepted and ignored

Caffe: lrn_layer.cpp, after Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
(2012), section 3.3`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newLRN,
		Kernels: lrnKernels,
	})
}

// lrn implements the layer type; its registration describes it.
type lrn struct {
	layers.OnRecordableDevice
	spec           *layers.Spec
	size           int
	alpha, beta, k float32
	within         bool
}

var (
	_ layers.Layer          = (*lrn)(nil)
	_ layers.BackwardReader = (*lrn)(nil)
)

func newLRN(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetLrnParam()
	if n := p.GetLocalSize(); n%2 != 1 || n > math.MaxInt16 {
		return nil, s.Errorf("lrn_param.local_size", "local_size is %d, want an odd number up to %d", n, math.MaxInt16)
	}
	return &lrn{
		spec: s, size: int(p.GetLocalSize()), alpha: p.GetAlpha(), beta: p.GetBeta(), k: p.GetK(),
		within: p.GetNormRegion() == caffepb.LRNParameter_WITHIN_CHANNEL,
	}, nil
}

// SetUp does nothing.
func (l *lrn) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the shape of the top to that of the bottom.
func (l *lrn) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want 4 axes: items, channels, height, width", x.Shape())
	}
	return top[0].ReshapeLike(x)
}

// Forward computes the top.
func (l *lrn) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, b, x, y := l.spec.Env.Workers, bottom[0], bottom[0].Data(), top[0].MutableData()
	if l.within {
		kernel.LRNWithinForward(w, b.CountRange(0, 2), b.Dim(2), b.Dim(3), l.size, l.alpha, l.beta, x, y)
	} else {
		kernel.LRNForward(w, b.Dim(0), b.Dim(1), b.CountFrom(2), l.size, l.alpha, l.beta, l.k, x, y)
	}
	return nil
}

// BackwardReads reports that Backward reads the bottom.
func (l *lrn) BackwardReads() (bottom, top bool) { return true, false }

// Backward computes the diff of the bottom.
func (l *lrn) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	w, b, x, dy, dx := l.spec.Env.Workers, bottom[0], bottom[0].Data(), top[0].Diff(), bottom[0].MutableDiff()
	if l.within {
		kernel.LRNWithinBackward(w, b.CountRange(0, 2), b.Dim(2), b.Dim(3), l.size, l.alpha, l.beta, x, dy, dx)
	} else {
		kernel.LRNBackward(w, b.Dim(0), b.Dim(1), b.CountFrom(2), l.size, l.alpha, l.beta, l.k, x, dy, dx)
	}
	return nil
}
