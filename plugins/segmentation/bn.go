package segmentation

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:     "BN",
		Dialects: []string{"segnet"},
		Group:    "common",
		Plugin: &layers.Plugin{
			Field:   "bn_param",
			Number:  45,
			Proto:   layers.Schema(schemas, "bn.proto"),
			Message: "BNParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Between(1, 3),
		Weights: layers.Exactly(2),
		New:     newBN,
		Kernels: bnKernels,
		Doc: `Batch normalization with a learned scale and shift for each channel:

	y = scale (x - mean) / sqrt(variance + 1e-9) + shift

mean and variance are those of the batch, in TEST too. With bn_mode INFERENCE, y = scale x + shift: published
weights for it have the statistics of the training set in them.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Tops: y, of the same shape, may be the bottom itself, and the layer then keeps a copy; optionally mean and
variance, each 1 x channels x 1 x 1, without a gradient.
Weights, each 1 x channels x 1 x 1: scale, shift.

bn_param:
	scale_filler (constant 0): set it to constant 1
	shift_filler (constant 0)
	bn_mode (LEARN): LEARN or INFERENCE; see above

Source: github.com/alexgkendall/caffe-segnet, bn_layer.cpp. Differs from it: the gradients of the weights are added
to those of earlier passes, as in all layers, not written over them, and that of the scale is right in place.`,
	})
}

// Indices of the weights.
const (
	scale = iota
	shift
)

const bnEps = 1e-9

// bn implements the layer type; its registration describes it.
type bn struct {
	layers.Weights
	layers.OnRecordableDevice
	spec    *layers.Spec
	options struct {
		ScaleFiller *caffepb.FillerParameter `proto:"scale_filler"`
		ShiftFiller *caffepb.FillerParameter `proto:"shift_filler"`
		Mode        string                   `proto:"bn_mode"`
	}
	learn bool

	n, c, s                int // x is (n,c,s)
	mean, variance, invstd []float32
	factor, sum            []float32
	saves                  bool        // Forward keeps a copy of x
	kept                   layers.Kept // the copy
	normalized             []float32
	device                 bnDevice
}

var (
	_ layers.Layer           = (*bn)(nil)
	_ layers.Parameterized   = (*bn)(nil)
	_ layers.ParamPropagator = (*bn)(nil)
	_ layers.Keeper          = (*bn)(nil)
	_ layers.BottomSaver     = (*bn)(nil)
	_ layers.ChannelAffine   = (*bn)(nil)
)

func newBN(s *layers.Spec) (layers.Layer, error) {
	l := &bn{spec: s}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	l.learn = l.options.Mode == "LEARN"
	if err := s.CheckFiller("bn_param.scale_filler", l.options.ScaleFiller); err != nil {
		return nil, err
	}
	return l, s.CheckFiller("bn_param.shift_filler", l.options.ShiftFiller)
}

// KeepsBottom reports that Backward needs the x that a pass in place overwrites.
func (l *bn) KeepsBottom() bool { return true }

// SaveBottom has Forward keep a copy of x: as in Caffe, Backward does not depend on the bottom.
func (l *bn) SaveBottom() { l.saves = true }

// SetUp creates the weights.
func (l *bn) SetUp(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want two axes or more", bottom[0].Shape()))
	}
	if len(top) > 1 && !l.learn {
		return l.spec.Errorf("bn_param.bn_mode", "there are %d tops, want one: INFERENCE has no statistics", len(top))
	}
	l.c = bottom[0].Dim(1)
	for i, f := range []struct {
		field  string
		filler *caffepb.FillerParameter
	}{{"bn_param.scale_filler", l.options.ScaleFiller}, {"bn_param.shift_filler", l.options.ShiftFiller}} {
		b, err := l.spec.NewParam(i, "bottom", f.field, f.filler, 1, l.c, 1, 1)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.mean, l.variance, l.invstd = make([]float32, l.c), make([]float32, l.c), make([]float32, l.c)
	l.factor, l.sum = make([]float32, l.c), make([]float32, l.c)
	return nil
}

// Reshape gives the top the shape of the bottom.
func (l *bn) Reshape(bottom, top []*blob.Blob) error {
	b := bottom[0]
	if b.Axes() < 2 || b.Dim(1) != l.c {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want %d channels on axis 1", b.Shape(), l.c))
	}
	for _, t := range top[1:] {
		if t == b {
			return l.spec.Errorf("top", "a statistic may not be the bottom itself")
		}
		if err := t.Reshape(1, l.c, 1, 1); err != nil {
			return err
		}
	}
	l.n, l.s = b.Num(), b.CountFrom(2)
	if err := l.device.reshape(l.c); err != nil {
		return err
	}
	return top[0].ReshapeLike(b)
}

// keeps reports whether a pass in place, or a later layer, overwrites x.
func (l *bn) keeps(bottom, top *blob.Blob) bool { return l.saves || bottom == top }

// x returns the bottom that Forward has read.
func (l *bn) x(bottom, top *blob.Blob) *blob.Blob {
	if l.keeps(bottom, top) {
		return l.kept.Blob()
	}
	return bottom
}

// Forward computes the tops.
func (l *bn) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w := l.spec.Env.Workers
	if l.keeps(bottom[0], top[0]) {
		if err := l.kept.Keep(w, bottom[0]); err != nil {
			return err
		}
	}
	x, y := bottom[0].Data(), top[0].MutableData()
	if l.learn {
		kernel.ChannelStats(w, l.n, l.c, l.s, x, l.mean, l.variance)
		for i, v := range l.variance {
			l.invstd[i] = float32(1 / math.Sqrt(float64(v)+bnEps))
		}
		kernel.ChannelNormalize(w, l.n, l.c, l.s, x, l.mean, l.invstd, y)
		x = y
	}
	kernel.ChannelScaleShift(w, l.n, l.c, l.s, x, l.Blobs[scale].Data(), l.Blobs[shift].Data(), y)
	if len(top) > 1 {
		copy(top[1].MutableData(), l.mean)
	}
	if len(top) > 2 {
		copy(top[2].MutableData(), l.variance)
	}
	return nil
}

// ChannelAffine returns the layer as an affine map, unless it learns. It is for nets for
// inference.
func (l *bn) ChannelAffine(_, c int) (layers.Affine, bool) {
	return layers.Affine{Factor: l.Blobs[scale], Shift: l.Blobs[shift]}, l.spec.Env.Inference && !l.learn && c == l.c
}

// Backward computes the diff of the bottom and adds to those of the weights.
func (l *bn) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, x, dy := l.spec.Env.Workers, l.x(bottom[0], top[0]).Data(), top[0].Diff()
	if l.learn {
		l.normalized = layers.Resize(l.normalized, len(x))
		kernel.ChannelNormalize(w, l.n, l.c, l.s, x, l.mean, l.invstd, l.normalized)
		x = l.normalized
	}
	if l.Needs(scale) {
		kernel.ChannelDot(w, l.n, l.c, l.s, dy, x, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[scale].MutableDiff())
	}
	if l.Needs(shift) {
		kernel.ChannelSum(w, l.n, l.c, l.s, dy, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[shift].MutableDiff())
	}
	switch {
	case !propagateDown[0]:
	case l.learn:
		kernel.Mul(nil, l.invstd, l.Blobs[scale].Data(), l.factor)
		kernel.ChannelNormalizeBackward(w, l.n, l.c, l.s, x, l.factor, dy, bottom[0].MutableDiff())
	default:
		kernel.ChannelScaleShift(w, l.n, l.c, l.s, dy, l.Blobs[scale].Data(), nil, bottom[0].MutableDiff())
	}
	return nil
}
