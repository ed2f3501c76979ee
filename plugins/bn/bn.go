// Package bn provides the layers BN, batch normalization with scale, shift and
// statistics in one layer: that of the nets published with L-Softmax, which keeps an
// inverse standard deviation, and that of PSPNet, which keeps a variance.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/bn"
package bn

import (
	"context"
	_ "embed"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

//go:embed bn.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:     "BN",
		Dialects: []string{"lsoftmax"},
		Group:    "common",
		Plugin: &layers.Plugin{
			Field:   "bn_param",
			Number:  201,
			Proto:   schema,
			Message: "BNParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Weights: layers.Exactly(4),
		New:     func(s *layers.Spec) (layers.Layer, error) { return newBN(s, false) },
		Kernels: kernels,
		Doc: `Batch normalization with a learned slope and bias for each channel:

	y = slope (x - mean) invstd + bias

In training, mean and invstd = 1/sqrt(variance + eps) of each channel are those of the batch, and the running
statistics move towards them:

	mean = momentum mean + (1 - momentum) batch mean    invstd = momentum invstd + (1 - momentum) batch invstd

In TEST, and in training with frozen, they are the running statistics.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. May be the bottom itself; in training the layer then keeps a copy.
Weights, each 1 x channels: slope, bias, running mean, running inverse standard deviation. The last two get no
gradient, but the solver treats them as weights: unless the prototxt gives them a param with lr_mult or
decay_mult 0, weight decay shrinks them in each iteration, and the log has a warning. The published nets were
trained this way, and only this way reproduces their results. The cuDNN engine of some forks stores a variance
in the fourth blob; weights trained with it are not compatible.

bn_param:
	slope_filler (constant 0): set it to constant 1
	bias_filler (constant 0)
	momentum (0.9): see above
	eps (1e-5): see above
	frozen (false): use the running statistics in training too, and compute no gradients of the weights
	engine: accepted and ignored

Source: bn_layer.cpp of github.com/wyliu/LargeMargin_Softmax_Loss, after Ioffe and Szegedy, "Batch
normalization" (2015)`,
	})
	layers.Register(layers.Info{
		Type:     "BN",
		Dialects: []string{"pspnet"},
		Group:    "common",
		Plugin: &layers.Plugin{
			Field:   "bn_param",
			Number:  152,
			Proto:   schema,
			Message: "BNParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Weights: layers.Exactly(4),
		New:     func(s *layers.Spec) (layers.Layer, error) { return newBN(s, true) },
		Kernels: kernels,
		Doc: `Batch normalization with a learned slope and bias for each channel:

	y = slope (x - mean) / sqrt(variance + eps) + bias

In training, mean and variance (divided by the number of elements) of each channel are those of the batch, and
the running statistics move towards them:

	mean = momentum mean + (1 - momentum) batch mean    variance = momentum variance + (1 - momentum) batch variance

In TEST, and in training with frozen, they are the running statistics.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. May be the bottom itself; in training the layer then keeps a copy.
Weights, each 1 x channels x 1 x 1: slope, bias, running mean, running variance. The last two get no gradient,
but the solver treats them as weights: give them a param with lr_mult 0, or weight decay shrinks them.

bn_param:
	slope_filler (constant 0): set it to constant 1
	bias_filler (constant 0)
	momentum (0.9): see above
	eps (1e-5): see above
	frozen (false): use the running statistics in training too, and compute no gradients of the weights
	engine: accepted and ignored

Source: bn_layer.cpp of github.com/hszhao/PSPNet. Differs from it: in TEST without frozen, the gradient is that
for running statistics.`,
	})
}

// options holds the fields of bn.proto that the layer uses.
type options struct {
	SlopeFiller *caffepb.FillerParameter `proto:"slope_filler"`
	BiasFiller  *caffepb.FillerParameter `proto:"bias_filler"`
	Momentum    float32                  `proto:"momentum"`
	Eps         float32                  `proto:"eps"`
	Frozen      bool                     `proto:"frozen"`
}

// Indices of the weights.
const (
	slope = iota
	bias
	runningMean
	runningSpread // inverse standard deviation or, in PSPNet, variance
)

// bn implements the layer type; its registration describes it.
//
// Differs from Caffe: in TEST, without frozen, the gradient is the one for
// running statistics. The fork uses the formula for batch statistics there.
type bn struct {
	layers.Weights
	layers.OnRecordableDevice
	spec    *layers.Spec
	options options
	running bool // normalize by the running statistics
	pspnet  bool // keeps a variance

	n, c, s          int // x is (n,c,s)
	mean, invstd     []float32
	factor, variance []float32 // scratch, one element per channel
	combined         blob.Blob // for ChannelAffine: slope·invstd
	xnorm            []float32 // (x - mean)·invstd, if neither x nor dx can hold it
	device           onDevice
}

var (
	_ layers.Layer           = (*bn)(nil)
	_ layers.Parameterized   = (*bn)(nil)
	_ layers.ParamPropagator = (*bn)(nil)
	_ layers.ChannelAffine   = (*bn)(nil)
)

func newBN(s *layers.Spec, pspnet bool) (layers.Layer, error) {
	l := &bn{spec: s, pspnet: pspnet}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	o := &l.options
	l.running = o.Frozen || s.Env.Phase == caffepb.Phase_TEST
	if !(o.Momentum >= 0 && o.Momentum <= 1) {
		return nil, s.Errorf("bn_param.momentum", "momentum is %g, want 0 to 1", o.Momentum)
	}
	if !(o.Eps >= 0 && o.Eps <= math.MaxFloat32) {
		return nil, s.Errorf("bn_param.eps", "eps is %g, want 0 or more", o.Eps)
	}
	for _, f := range []struct {
		field  string
		filler *caffepb.FillerParameter
	}{{"bn_param.slope_filler", o.SlopeFiller}, {"bn_param.bias_filler", o.BiasFiller}} {
		if err := s.CheckFiller(f.field, f.filler); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// SetUp creates the weights.
func (l *bn) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	l.c = bottom[0].Dim(1)
	shape := []int{1, l.c}
	spread := &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(1)}
	if l.pspnet {
		shape = []int{1, l.c, 1, 1}
		if !l.options.Frozen {
			spread = nil
		}
	}
	for i, f := range []struct {
		field  string
		filler *caffepb.FillerParameter
	}{{"bn_param.slope_filler", l.options.SlopeFiller}, {"bn_param.bias_filler", l.options.BiasFiller}, {"bottom", nil}, {"bottom", spread}} {
		b, err := l.spec.NewParam(i, "bottom", f.field, f.filler, shape...)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.mean, l.invstd = make([]float32, l.c), make([]float32, l.c)
	l.factor, l.variance = make([]float32, l.c), make([]float32, l.c)
	l.warn()
	return nil
}

// warn sends a warning if weight decay can shrink the running statistics.
func (l *bn) warn() {
	if l.running {
		return
	}
	for i := runningMean; i <= runningSpread; i++ {
		var p *caffepb.ParamSpec
		if i < len(l.spec.Param.GetParam()) {
			p = l.spec.Param.GetParam()[i]
		}
		if p.GetLrMult() != 0 && p.GetDecayMult() != 0 {
			l.spec.Notef(event.Warning, "weight decay, if any, shrinks the running statistics of BN in each iteration, as in the original;"+
				" to prevent it, use four param fields, the last two with lr_mult: 0")
			return
		}
	}
}

// Reshape sets the shape of the top to that of the bottom.
func (l *bn) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 || bottom[0].Dim(1) != l.c {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", bottom[0].Shape(), l.c)
	}
	l.n, l.s = bottom[0].Num(), bottom[0].CountFrom(2)
	if l.keeps(bottom, top) {
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
func (l *bn) scratch() {
	if n := l.n * l.c * l.s; len(l.xnorm) < n {
		l.xnorm = make([]float32, n)
	}
}

// Forward computes the top, and in training moves the running statistics.
func (l *bn) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData()
	if l.running {
		l.readRunning()
	} else {
		kernel.ChannelStats(w, l.n, l.c, l.s, x, l.mean, l.variance)
		kernel.InvStd(l.options.Eps, l.variance, l.invstd)
		l.move(l.mean, l.Blobs[runningMean])
		if l.pspnet {
			l.move(l.variance, l.Blobs[runningSpread])
		} else {
			l.move(l.invstd, l.Blobs[runningSpread])
		}
	}
	normalized := y
	if l.keeps(bottom, top) {
		normalized = l.xnorm
	}
	kernel.ChannelNormalize(w, l.n, l.c, l.s, x, l.mean, l.invstd, normalized)
	kernel.ChannelScaleShift(w, l.n, l.c, l.s, normalized, l.Blobs[slope].Data(), l.Blobs[bias].Data(), y)
	return nil
}

// readRunning sets mean and invstd to the running statistics.
func (l *bn) readRunning() {
	copy(l.mean, l.Blobs[runningMean].Data())
	if l.pspnet {
		kernel.InvStd(l.options.Eps, l.Blobs[runningSpread].Data(), l.invstd)
	} else {
		copy(l.invstd, l.Blobs[runningSpread].Data())
	}
}

// ChannelAffine returns the layer as an affine map, unless its statistics are those of the
// batch. It is for nets for inference: a fused slope would get no gradient.
func (l *bn) ChannelAffine(_, c int) (layers.Affine, bool) {
	if !l.running || !l.spec.Env.Inference || c != l.c || l.combined.Reshape(c) != nil {
		return layers.Affine{}, false
	}
	l.readRunning()
	kernel.Mul(nil, l.invstd, l.Blobs[slope].Data(), l.combined.MutableData())
	return layers.Affine{Mean: l.Blobs[runningMean], Factor: &l.combined, Shift: l.Blobs[bias]}, true
}

// move moves a running statistic towards that of the batch.
func (l *bn) move(batch []float32, running *blob.Blob) {
	kernel.Axpby(nil, 1-l.options.Momentum, batch, l.options.Momentum, running.MutableData())
}

// Backward computes the diff of the bottom and adds to those of slope and bias.
func (l *bn) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, dy := l.spec.Env.Workers, top[0].Diff()
	kernel.Mul(nil, l.invstd, l.Blobs[slope].Data(), l.factor)
	if l.options.Frozen {
		if propagateDown[0] {
			kernel.ChannelScaleShift(w, l.n, l.c, l.s, dy, l.factor, nil, bottom[0].MutableDiff())
		}
		return nil
	}
	xnorm := l.normalized(bottom[0], top[0], propagateDown[0])
	if l.Needs(slope) {
		kernel.ChannelDot(w, l.n, l.c, l.s, dy, xnorm, l.variance)
		kernel.Axpy(nil, 1, l.variance, l.Blobs[slope].MutableDiff())
	}
	if l.Needs(bias) {
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

// normalized returns (x - mean)·invstd. It cannot be derived from the top: a
// slope may be 0, and a layer that works in place may have changed the top. If the
// bottom still exists, it is computed again, in dx's storage if possible.
func (l *bn) normalized(bottom, top *blob.Blob, propagateDown bool) []float32 {
	if bottom == top {
		return l.xnorm
	}
	xnorm := bottom.MutableDiff()
	if !propagateDown {
		l.scratch()
		xnorm = l.xnorm
	}
	kernel.ChannelNormalize(l.spec.Env.Workers, l.n, l.c, l.s, bottom.Data(), l.mean, l.invstd, xnorm)
	return xnorm
}
