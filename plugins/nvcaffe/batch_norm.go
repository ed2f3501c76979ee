// Package nvcaffe provides the layers of NVIDIA's Caffe that differ from Caffe's of the
// same name: BatchNorm with a learned scale and bias.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/nvcaffe"
package nvcaffe

import (
	"context"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:     "BatchNorm",
		Dialects: []string{"nvcaffe"},
		Group:    "common",
		Param:    "batch_norm_param",
		Extends: `message BatchNormParameter {
			optional bool scale_bias = 1 [default = false];
			optional FillerParameter scale_filler = 2;
			optional FillerParameter bias_filler = 3;
			enum Engine { DEFAULT = 0; CAFFE = 1; CUDNN = 2; }
			optional Engine engine = 4 [default = DEFAULT];
		}`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Weights: layers.Between(3, 5),
		New:     newBatchNorm,
		Kernels: kernels,
		Doc: `Batch normalization, with a learned scale and bias for each channel if wanted:

	y = scale (x - mean) / sqrt(variance + eps) + bias

In training, mean and variance are those of the batch, and the running ones move towards them:

	mean = f mean + (1 - f) batch mean    variance = f variance + (1 - f) batch variance m/(m-1)

with f = moving_average_fraction, or 0 in the first pass, and m elements in a channel. In TEST they are the
running ones.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. It may be the bottom itself; in training the layer then keeps a copy.
Weights: running mean, running variance, and one number that is 1, so that the weights fit Caffe's BatchNorm;
with scale_bias also scale and bias, one element per channel each. The first three are not trained; the
lr_mult and decay_mult of scale and bias are 1, whatever param says, as in the fork.

batch_norm_param:
	scale_bias (false): whether there are a scale and a bias; a filler of them means true as well
	scale_filler (constant 1)
	bias_filler (constant 0)
	moving_average_fraction (0.999): see above
	eps (1e-5): at least 1e-5
	use_global_stats: accepted and ignored, as in the fork: the phase decides
	stats_batch_size: must be 0: the fork has no such field, Intel's BatchNorm has
	engine: accepted and ignored

Source: github.com/NVIDIA/caffe, batch_norm_layer.cpp and cudnn_batch_norm_layer.cu; the running statistics are
those of the latter, with which NVIDIA's models are trained. On the CPU the fork adds eps to the running
variance, leaves out m/(m-1), and has f = 0 in the second pass too.`,
	})
}

// The weights.
const (
	runningMean = iota
	runningVariance
	correction
	scale
	bias
)

// batchNorm implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include whether there was a pass, and in TEST the
// gradient is the one for running statistics, where the fork's CPU code uses that for
// batch statistics.
type batchNorm struct {
	layers.Weights
	layers.PassCount
	spec     *layers.Spec
	options  options
	eps      float32
	fraction float32
	running  bool // normalize by the running statistics
	affine   bool // there are scale and bias

	n, c, s          int // x is (n,c,s)
	mean, invstd     []float32
	factor, variance []float32 // scratch, one element per channel
	combined         blob.Blob // for ChannelAffine: scale·invstd
	xnorm            []float32 // (x - mean) invstd, if neither x nor dx can hold it
	device           onDevice
}

// options are the fork's fields of batch_norm_param.
type options struct {
	ScaleBias   bool                     `proto:"scale_bias"`
	ScaleFiller *caffepb.FillerParameter `proto:"scale_filler"`
	BiasFiller  *caffepb.FillerParameter `proto:"bias_filler"`
}

var (
	_ layers.Layer           = (*batchNorm)(nil)
	_ layers.Parameterized   = (*batchNorm)(nil)
	_ layers.ParamPropagator = (*batchNorm)(nil)
	_ layers.ParamStatistics = (*batchNorm)(nil)
	_ layers.Stateful        = (*batchNorm)(nil)
	_ layers.ChannelAffine   = (*batchNorm)(nil)
)

func newBatchNorm(s *layers.Spec) (layers.Layer, error) {
	l := &batchNorm{spec: s, running: s.Env.Phase == caffepb.Phase_TEST}
	if _, err := s.OptionsIn("batch_norm_param", &l.options); err != nil {
		return nil, err
	}
	p := s.Param.GetBatchNormParam()
	l.fraction, l.eps = p.GetMovingAverageFraction(), max(p.GetEps(), 1e-5)
	if !(l.fraction >= 0 && l.fraction <= 1) {
		return nil, s.Errorf("batch_norm_param.moving_average_fraction", "moving_average_fraction is %g, want 0 to 1", l.fraction)
	}
	if !(l.eps <= math.MaxFloat32) {
		return nil, s.Errorf("batch_norm_param.eps", "eps is %g, want a finite number", l.eps)
	}
	if n := p.GetStatsBatchSize(); n != 0 {
		return nil, s.Errorf("batch_norm_param.stats_batch_size", "stats_batch_size is %d, want 0: it is an option of the BatchNorm of Intel's Caffe", n)
	}
	o := &l.options
	l.affine = o.ScaleBias || o.ScaleFiller != nil || o.BiasFiller != nil
	for _, f := range []struct {
		field  string
		filler *caffepb.FillerParameter
	}{{"batch_norm_param.scale_filler", o.ScaleFiller}, {"batch_norm_param.bias_filler", o.BiasFiller}} {
		if err := s.CheckFiller(f.field, f.filler); err != nil {
			return nil, err
		}
	}
	for i := range l.blobs() {
		if i == len(s.Param.Param) {
			s.Param.Param = append(s.Param.Param, new(caffepb.ParamSpec))
		}
		mult := proto.Float32(1)
		if l.IsStatistic(i) {
			mult = proto.Float32(0)
		}
		s.Param.Param[i].LrMult, s.Param.Param[i].DecayMult = mult, mult
	}
	return l, nil
}

// blobs returns the number of weights.
func (l *batchNorm) blobs() int {
	if l.affine {
		return bias + 1
	}
	return correction + 1
}

// IsStatistic reports whether weights i are a running statistic.
func (l *batchNorm) IsStatistic(i int) bool { return i <= correction }

// SetUp creates the weights.
func (l *batchNorm) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	l.c = bottom[0].Dim(1)
	one := &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(1)}
	factors := one
	if l.options.ScaleFiller != nil {
		factors = l.options.ScaleFiller
	}
	for i, w := range []struct {
		field  string
		filler *caffepb.FillerParameter
		size   int
	}{
		{"bottom", nil, l.c}, {"bottom", nil, l.c}, {"bottom", one, 1},
		{"batch_norm_param.scale_filler", factors, l.c}, {"batch_norm_param.bias_filler", l.options.BiasFiller, l.c},
	} {
		if i == l.blobs() {
			break
		}
		b, err := l.spec.NewParam(i, "bottom", w.field, w.filler, w.size)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.mean, l.invstd = make([]float32, l.c), make([]float32, l.c)
	l.factor, l.variance = make([]float32, l.c), make([]float32, l.c)
	return nil
}

// Reshape sets the shape of the top to that of the bottom.
func (l *batchNorm) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 || bottom[0].Dim(1) != l.c {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", bottom[0].Shape(), l.c)
	}
	l.n, l.s = bottom[0].Num(), bottom[0].CountFrom(2)
	if bottom[0] == top[0] {
		l.scratch()
		if err := l.device.kept.ReshapeLike(bottom[0]); err != nil {
			return l.spec.ErrorAt("bottom", 0, err)
		}
	}
	if err := l.device.reshape(l.c); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	return top[0].ReshapeLike(bottom[0])
}

// scratch grows xnorm to the size of the bottom.
func (l *batchNorm) scratch() {
	if n := l.n * l.c * l.s; len(l.xnorm) < n {
		l.xnorm = make([]float32, n)
	}
}

// next counts a pass in training, and returns the fraction that the running statistics
// keep of themselves in it, and the factor m/(m-1) of the batch's variance.
func (l *batchNorm) next() (keep, unbiased float32) {
	if l.Passes > 0 {
		keep = l.fraction
	}
	l.Passes++
	unbiased = 1
	if m := l.n * l.s; m > 1 {
		unbiased = float32(m) / float32(m-1)
	}
	return keep, unbiased
}

// Forward computes the top, and in training moves the running statistics.
func (l *batchNorm) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData()
	if l.running {
		copy(l.mean, l.Blobs[runningMean].Data())
		copy(l.variance, l.Blobs[runningVariance].Data())
	} else {
		kernel.ChannelStats(w, l.n, l.c, l.s, x, l.mean, l.variance)
		keep, unbiased := l.next()
		kernel.Axpby(nil, 1-keep, l.mean, keep, l.Blobs[runningMean].MutableData())
		kernel.Axpby(nil, (1-keep)*unbiased, l.variance, keep, l.Blobs[runningVariance].MutableData())
	}
	l.invert(l.variance)
	normalized := y
	if l.affine && bottom[0] == top[0] {
		normalized = l.xnorm
	}
	kernel.ChannelNormalize(w, l.n, l.c, l.s, x, l.mean, l.invstd, normalized)
	if l.affine {
		kernel.ChannelScaleShift(w, l.n, l.c, l.s, normalized, l.Blobs[scale].Data(), l.Blobs[bias].Data(), y)
	}
	return nil
}

// invert sets invstd.
func (l *batchNorm) invert(variance []float32) {
	for i, v := range variance {
		l.invstd[i] = float32(1 / math.Sqrt(float64(v)+float64(l.eps)))
	}
}

// ChannelAffine returns the layer as an affine map, unless its statistics are those of the
// batch. It is for nets for inference: a fused scale would get no gradient.
func (l *batchNorm) ChannelAffine(_, c int) (layers.Affine, bool) {
	if !l.running || !l.spec.Env.Inference || c != l.c || l.combined.Reshape(c) != nil {
		return layers.Affine{}, false
	}
	l.invert(l.Blobs[runningVariance].Data())
	a := layers.Affine{Mean: l.Blobs[runningMean], Factor: &l.combined}
	if !l.affine {
		copy(l.combined.MutableData(), l.invstd)
		return a, true
	}
	kernel.Mul(nil, l.invstd, l.Blobs[scale].Data(), l.combined.MutableData())
	a.Shift = l.Blobs[bias]
	return a, true
}

// Backward computes the diff of the bottom and adds to those of scale and bias.
func (l *batchNorm) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, dy := l.spec.Env.Workers, top[0].Diff()
	copy(l.factor, l.invstd)
	if l.affine {
		kernel.Mul(nil, l.invstd, l.Blobs[scale].Data(), l.factor)
	}
	var xnorm []float32
	if !l.running || l.affine && l.Needs(scale) {
		xnorm = l.normalized(bottom[0], top[0], propagateDown[0])
	}
	if l.affine && l.Needs(scale) {
		kernel.ChannelDot(w, l.n, l.c, l.s, dy, xnorm, l.variance)
		kernel.Axpy(nil, 1, l.variance, l.Blobs[scale].MutableDiff())
	}
	if l.affine && l.Needs(bias) {
		kernel.ChannelSum(w, l.n, l.c, l.s, dy, l.variance)
		kernel.Axpy(nil, 1, l.variance, l.Blobs[bias].MutableDiff())
	}
	switch {
	case !propagateDown[0]:
	case l.running:
		kernel.ChannelScaleShift(w, l.n, l.c, l.s, dy, l.factor, nil, bottom[0].MutableDiff())
	default:
		kernel.ChannelNormalizeBackward(w, l.n, l.c, l.s, xnorm, l.factor, dy, bottom[0].MutableDiff())
	}
	return nil
}

// normalized returns (x - mean) invstd: what Forward has left of it in place, or it is
// computed again, in dx's storage if possible.
func (l *batchNorm) normalized(bottom, top *blob.Blob, propagateDown bool) []float32 {
	switch {
	case bottom == top && l.affine:
		return l.xnorm
	case bottom == top:
		return top.Data()
	}
	xnorm := bottom.MutableDiff()
	if !propagateDown {
		l.scratch()
		xnorm = l.xnorm
	}
	kernel.ChannelNormalize(l.spec.Env.Workers, l.n, l.c, l.s, bottom.Data(), l.mean, l.invstd, xnorm)
	return xnorm
}
