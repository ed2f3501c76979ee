package common

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "MVN",
		Group: "common",
		Param: "mvn_param",
		Doc: `Normalizes each channel of each item, or each item, to mean 0 and variance 1:

	y = (x - mean) / (sqrt(variance) + eps)

The variance is the mean of (x - mean)^2.

Bottom: x, of items x channels x any axes.
Top: y, of the same shape. May be the bottom itself.

mvn_param:
	normalize_variance (true): if not, y = x - mean
	across_channels (false): mean and variance of each item, over all of its channels
	eps (1e-9): added to the standard deviation

Caffe: mvn_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newMVN,
		Kernels: mvnKernels,
	})
}

// mvn implements the layer type; its registration describes it.
type mvn struct {
	layers.OnRecordableDevice
	env      *layers.Env
	variance bool // normalize it too
	across   bool
	eps      float32

	n, dim       int       // x is n vectors of dim elements, each with a mean of its own
	mean, invstd blob.Blob // (n)
	scratch      blob.Blob // (n): variances; on a device also means of gradients, (n,2)
	sums         blob.Blob // (n,2) in float64, on a device
}

var (
	_ layers.Layer          = (*mvn)(nil)
	_ layers.BackwardReader = (*mvn)(nil)
)

func newMVN(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetMvnParam()
	if !(p.GetEps() >= 0) {
		return nil, s.Errorf("mvn_param.eps", "eps is %g, want 0 or more", p.GetEps())
	}
	return &mvn{env: s.Env, variance: p.GetNormalizeVariance(), across: p.GetAcrossChannels(), eps: p.GetEps()}, nil
}

// SetUp does nothing.
func (l *mvn) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *mvn) Reshape(bottom, top []*blob.Blob) error {
	axes := 2
	if l.across {
		axes = 1
	}
	axes = min(axes, bottom[0].Axes())
	l.n, l.dim = bottom[0].CountRange(0, axes), bottom[0].CountFrom(axes)
	for _, b := range []*blob.Blob{&l.mean, &l.invstd} {
		if err := b.Reshape(l.n); err != nil {
			return err
		}
	}
	if err := l.scratch.Reshape(l.n, 2); err != nil {
		return err
	}
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top.
func (l *mvn) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.env.Workers, bottom[0].Data(), top[0].MutableData()
	mean, invstd, variance := l.mean.MutableData(), l.invstd.MutableData(), l.scratch.MutableData()[:l.n]
	kernel.ChannelStats(w, 1, l.n, l.dim, x, mean, variance)
	for i, v := range variance {
		invstd[i] = 1
		if l.variance {
			invstd[i] = float32(1 / (math.Sqrt(float64(v)) + float64(l.eps)))
		}
	}
	kernel.ChannelNormalize(w, 1, l.n, l.dim, x, mean, invstd, y)
	return nil
}

// BackwardReads returns that Backward reads the top, if the variance is normalized.
func (l *mvn) BackwardReads() (bottom, top bool) { return false, l.variance }

// Backward computes the diff of the bottom.
func (l *mvn) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	w, dy, dx := l.env.Workers, top[0].Diff(), bottom[0].MutableDiff()
	if l.variance {
		kernel.ChannelNormalizeBackward(w, 1, l.n, l.dim, top[0].Data(), l.invstd.Data(), dy, dx)
		return nil
	}
	shift := l.scratch.MutableData()[:l.n]
	kernel.ChannelSum(w, 1, l.n, l.dim, dy, shift)
	kernel.Scale(nil, -1/float32(max(1, l.dim)), shift, shift)
	kernel.ChannelScaleShift(w, 1, l.n, l.dim, dy, nil, shift, dx)
	return nil
}
