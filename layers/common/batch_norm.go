package common

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:  "BatchNorm",
		Group: "common",
		Param: "batch_norm_param",
		Doc: `Batch normalization:

	y = (x - mean) / sqrt(variance + eps)

In training, mean and variance of each channel are those of the batch, and the running ones are updated:

	factor = f factor + 1    mean = f mean + batch mean    variance = f variance + batch variance m/(m-1)

with f = moving_average_fraction and m numbers in a channel. Otherwise they are the running ones over
factor, or 0 if factor is 0. A Scale layer with bias_term usually follows.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. May be the bottom itself; in training the layer then keeps a copy of y.
Weights: the running mean and variance, of one number a channel, and factor. They are not trained: their
lr_mult is 0, and another one is an error.

batch_norm_param:
	use_global_stats (false in TRAIN, true in TEST): normalize by the running mean and variance
	moving_average_fraction (0.999): see above
	eps (1e-5): see above

Caffe: batch_norm_layer.cpp, after Ioffe and Szegedy, "Batch normalization" (2015)`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newBatchNorm,
	})
}

// batchNorm is described by its registration.
type batchNorm struct {
	layers.Weights
	spec     *layers.Spec
	global   bool // normalize by the running statistics
	fraction float32
	eps      float32

	n, c, s        int // x is (n,c,s)
	mean, variance []float32
	invstd         []float32
	xnorm          []float32 // y, if the layer works in place
}

var (
	_ layers.Layer         = (*batchNorm)(nil)
	_ layers.Parameterized = (*batchNorm)(nil)
)

func newBatchNorm(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetBatchNormParam()
	l := &batchNorm{
		spec:     s,
		global:   s.Env.Phase == caffepb.Phase_TEST,
		fraction: p.GetMovingAverageFraction(),
		eps:      p.GetEps(),
	}
	if p != nil && p.UseGlobalStats != nil {
		l.global = p.GetUseGlobalStats()
	}
	for i := range 3 {
		if i == len(s.Param.Param) {
			s.Param.Param = append(s.Param.Param, &caffepb.ParamSpec{LrMult: proto.Float32(0)})
		}
		if mult := s.Param.Param[i].GetLrMult(); mult != 0 {
			return nil, s.ErrorAt("param", i, fmt.Errorf("lr_mult of statistics %d is %g, want 0: they are not trained", i, mult))
		}
	}
	return l, nil
}

// SetUp makes the statistics.
func (l *batchNorm) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	l.c = bottom[0].Dim(1)
	for i, size := range []int{l.c, l.c, 1} {
		b, err := l.spec.NewParam(i, "bottom", "bottom", nil, size)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.mean, l.variance, l.invstd = make([]float32, l.c), make([]float32, l.c), make([]float32, l.c)
	return nil
}

// Reshape gives the top the shape of the bottom.
func (l *batchNorm) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 || bottom[0].Dim(1) != l.c {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", bottom[0].Shape(), l.c)
	}
	l.n, l.s = bottom[0].Num(), bottom[0].CountFrom(2)
	if bottom[0] == top[0] && !l.global && len(l.xnorm) < bottom[0].Count() {
		l.xnorm = make([]float32, bottom[0].Count())
	}
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top.
func (l *batchNorm) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData()
	if l.global {
		l.runningStatistics()
	} else {
		kernel.BatchNormStats(w, x, l.mean, l.variance, l.n, l.c, l.s)
		l.updateStatistics()
	}
	for i, v := range l.variance {
		l.invstd[i] = float32(1 / math.Sqrt(float64(v+l.eps)))
	}
	if bottom[0] == top[0] && !l.global {
		kernel.BatchNormForward(w, l.xnorm, x, l.mean, l.invstd, l.n, l.c, l.s)
		kernel.CopyP(w, y, l.xnorm)
		return nil
	}
	kernel.BatchNormForward(w, y, x, l.mean, l.invstd, l.n, l.c, l.s)
	return nil
}

// runningStatistics sets mean and variance to those over all batches.
func (l *batchNorm) runningStatistics() {
	scale := l.Blobs[2].Data()[0]
	if scale != 0 {
		scale = 1 / scale
	}
	kernel.Scale(scale, l.Blobs[0].Data(), l.mean)
	kernel.Scale(scale, l.Blobs[1].Data(), l.variance)
}

// updateStatistics adds those of the batch to those over all batches.
func (l *batchNorm) updateStatistics() {
	unbiased := float32(1)
	if m := l.n * l.s; m > 1 {
		unbiased = float32(m) / float32(m-1)
	}
	kernel.Axpby(1, l.mean, l.fraction, l.Blobs[0].MutableData())
	kernel.Axpby(unbiased, l.variance, l.fraction, l.Blobs[1].MutableData())
	factor := l.Blobs[2].MutableData()
	factor[0] = float32(factor[0]*l.fraction) + 1
}

// Backward computes the diff of the bottom. The statistics have none.
func (l *batchNorm) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	w, dy, dx := l.spec.Env.Workers, top[0].Diff(), bottom[0].MutableDiff()
	if l.global {
		kernel.ChannelScaleShift(w, dx, dy, l.invstd, nil, l.n, l.c, l.s)
		return nil
	}
	xnorm := l.xnorm
	if bottom[0] != top[0] {
		// A layer that works in place on the top may have changed it, so y is
		// computed again, in the place of dx.
		kernel.BatchNormForward(w, dx, bottom[0].Data(), l.mean, l.invstd, l.n, l.c, l.s)
		xnorm = dx
	}
	kernel.BatchNormBackward(w, dx, dy, xnorm, l.invstd, l.n, l.c, l.s)
	return nil
}
