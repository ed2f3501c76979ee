package vision

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "LRN",
		Group: "vision",
		Param: "lrn_param",
		Doc: `Local response normalization:

	y = x / (k + alpha / n  sum of x^2 over the neighbours)^beta

The neighbours are, for ACROSS_CHANNELS, the local_size channels around that of x, and n is local_size; for
WITHIN_CHANNEL, the local_size x local_size square of the image around x, n is its area and k is 1. What
lies outside counts as 0.

Bottom: x, of items x channels x height x width.
Top: y, of the same shape. Not the bottom itself.

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
	})
}

// lrn is described by its registration.
type lrn struct {
	spec           *layers.Spec
	size           int
	alpha, beta, k float32
	within         bool

	scale []float32 // what y is divided by, before the power; WITHIN_CHANNEL: mean of x²
	work  []float32 // of WITHIN_CHANNEL
	g     kernel.PoolParams

	divide, grad, add loop // of WITHIN_CHANNEL, on the following
	x, y, dy, dx      []float32
}

var _ layers.Layer = (*lrn)(nil)

func newLRN(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetLrnParam()
	if n := p.GetLocalSize(); n%2 != 1 || n > math.MaxInt16 {
		return nil, s.Errorf("lrn_param.local_size", "local_size is %d, want an odd number up to %d", n, math.MaxInt16)
	}
	l := &lrn{
		spec: s, size: int(p.GetLocalSize()), alpha: p.GetAlpha(), beta: p.GetBeta(), k: p.GetK(),
		within: p.GetNormRegion() == caffepb.LRNParameter_WITHIN_CHANNEL,
	}
	l.divide.do, l.grad.do, l.add.do = l.divideWithin, l.gradientWithin, l.addWithin
	return l, nil
}

// SetUp does nothing.
func (l *lrn) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *lrn) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want 4 axes: items, channels, height, width", x.Shape())
	}
	if len(l.scale) < x.Count() {
		l.scale = make([]float32, x.Count())
	}
	if l.within {
		if len(l.work) < x.Count() {
			l.work = make([]float32, x.Count())
		}
		pad := (l.size - 1) / 2
		l.g = kernel.PoolParams{
			Planes: x.CountRange(0, 2), H: x.Dim(2), W: x.Dim(3), OutH: x.Dim(2), OutW: x.Dim(3),
			KernelH: l.size, KernelW: l.size, PadH: pad, PadW: pad, StrideH: 1, StrideW: 1,
		}
	}
	return top[0].ReshapeLike(x)
}

// Forward computes the top.
func (l *lrn) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, b, x, y := l.spec.Env.Workers, bottom[0], bottom[0].Data(), top[0].MutableData()
	if !l.within {
		kernel.LRNForward(w, x, l.scale, y, b.Dim(0), b.Dim(1), b.CountFrom(2), l.size, l.alpha, l.beta, l.k)
		return nil
	}
	kernel.MulP(w, l.work[:len(x)], x, x)
	kernel.AvePoolForward(w, l.g, l.work, l.scale)
	l.x, l.y = x, y
	l.divide.run(w, len(x))
	return nil
}

// divideWithin computes y = x·(1 + alpha·mean)^-beta.
func (l *lrn) divideWithin(lo, hi int) {
	for i, x := range l.x[lo:hi] {
		l.y[lo+i] = x * l.power(lo+i)
	}
}

// power returns what x is multiplied by.
func (l *lrn) power(i int) float32 {
	return float32(math.Pow(float64(1+float32(l.alpha*l.scale[i])), float64(-l.beta)))
}

// Backward computes the diff of the bottom.
func (l *lrn) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	w, b, x, dy, dx := l.spec.Env.Workers, bottom[0], bottom[0].Data(), top[0].Diff(), bottom[0].MutableDiff()
	if !l.within {
		kernel.LRNBackward(w, x, top[0].Data(), l.scale, dy, dx, b.Dim(0), b.Dim(1), b.CountFrom(2), l.size, l.alpha, l.beta)
		return nil
	}
	// y = x·p(s(x)), where s is the mean of the squares around x:
	// dx = dy·p + 2x · (dy·x·p′ spread over the square)
	l.x, l.y, l.dy, l.dx = x, top[0].Data(), dy, dx
	l.grad.run(w, len(x))
	kernel.AvePoolBackward(w, l.g, l.work, dx)
	l.add.run(w, len(x))
	return nil
}

// gradientWithin computes dy·x·p′ = -alpha·beta·dy·y/(1 + alpha·mean).
func (l *lrn) gradientWithin(lo, hi int) {
	for i, dy := range l.dy[lo:hi] {
		l.work[lo+i] = -l.alpha * l.beta * dy * l.y[lo+i] / (1 + float32(l.alpha*l.scale[lo+i]))
	}
}

// addWithin computes dx = dy·p + 2x·dx.
func (l *lrn) addWithin(lo, hi int) {
	for i, x := range l.x[lo:hi] {
		l.dx[lo+i] = float32(l.dy[lo+i]*l.power(lo+i)) + float32(2*x*l.dx[lo+i])
	}
}

// loop is a loop over n numbers, cut into parts for the threads.
type loop struct {
	n  int
	do func(lo, hi int)
}

const loopSize = 8 << 10 // numbers in a part

func (t *loop) run(w *layers.Workers, n int) {
	t.n = n
	w.Run((n+loopSize-1)/loopSize, t)
}

// Do runs part i.
func (t *loop) Do(_, i int) { t.do(i*loopSize, min((i+1)*loopSize, t.n)) }
