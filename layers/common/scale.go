package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Scale",
		Group: "common",
		Param: "scale_param",
		Doc: `Multiplies a blob by another one, repeated over the other axes, and may add a third:

	y = a x + b

The axes of a and b are those of x from axis on.

Bottoms: x. Optionally a; then num_axes and filler are not used.
Top: y, of the shape of x. It may be x itself; the layer then keeps a copy of x if a is learned or has a gradient.
Weights: a, if there is one bottom; then b, if bias_term is set.

scale_param:
	axis (1): the axis of x to which the first axis of a corresponds; a negative one counts from the last
	num_axes (1): number of axes of a; 0 makes it a scalar, -1 takes all axes to the last
	filler (constant 1): initial a
	bias_term (false): whether to add b
	bias_filler (constant 0): initial b
	min_value (none), max_value (none): each pass first limits the stored a to this range (NormFace)

Caffe: scale_layer.cpp`,
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newScale,
		Kernels: cuda.Math,
	})
}

// scale implements the layer type; its registration describes it.
type scale struct {
	layers.Weights
	broadcast
	param  *caffepb.ScaleParameter
	filler *caffepb.FillerParameter
	kept   layers.Kept
}

var (
	_ layers.Layer           = (*scale)(nil)
	_ layers.Parameterized   = (*scale)(nil)
	_ layers.ParamPropagator = (*scale)(nil)
	_ layers.Keeper          = (*scale)(nil)
	_ layers.BackwardReader  = (*scale)(nil)
	_ layers.ChannelAffine   = (*scale)(nil)
)

func newScale(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetScaleParam()
	l := &scale{param: p, filler: p.GetFiller(), broadcast: broadcast{spec: s, field: "scale_param", axis: int(p.GetAxis())}}
	if l.filler == nil {
		l.filler = &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(1)}
	}
	if err := l.check(p.GetNumAxes()); err != nil {
		return nil, err
	}
	if p != nil && p.MinValue != nil && p.MaxValue != nil && !(p.GetMinValue() <= p.GetMaxValue()) {
		return nil, s.Errorf("scale_param.min_value", "min_value %v is above max_value %v", p.GetMinValue(), p.GetMaxValue())
	}
	if err := s.CheckFiller("scale_param.filler", l.filler); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("scale_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	return l, nil
}

// SetUp makes the weights.
func (l *scale) SetUp(bottom, _ []*blob.Blob) error {
	var shape []int
	if len(bottom) > 1 {
		shape = bottom[1].Shape()
	} else {
		var err error
		if shape, err = l.shape(bottom[0], int(l.param.GetNumAxes())); err != nil {
			return err
		}
		a, err := l.spec.NewParam(0, "bottom", "scale_param.filler", l.filler, shape...)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, a)
	}
	if l.param.GetBiasTerm() {
		b, err := l.spec.NewParam(len(l.Blobs), "bottom", "scale_param.bias_filler", l.param.GetBiasFiller(), shape...)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	return nil
}

// a returns the factors.
func (l *scale) a(bottom []*blob.Blob) *blob.Blob {
	if len(bottom) > 1 {
		return bottom[1]
	}
	return l.Blobs[0]
}

// b returns the summands, or nil if there are none.
func (l *scale) b() []float32 {
	if !l.param.GetBiasTerm() {
		return nil
	}
	return l.Blobs[len(l.Blobs)-1].Data()
}

// Reshape gives the top the shape of the bottom.
func (l *scale) Reshape(bottom, top []*blob.Blob) error {
	a := l.a(bottom)
	if err := l.fit(bottom[0], a); err != nil {
		return err
	}
	if l.param.GetBiasTerm() && !l.Blobs[len(l.Blobs)-1].ShapeEqual(a.Shape()) {
		return l.spec.Errorf("bottom", "the second bottom has shape %v, want %v, that of the bias", a.Shape(), l.Blobs[len(l.Blobs)-1].Shape())
	}
	return top[0].ReshapeLike(bottom[0])
}

// ChannelAffine returns a and b if they have one element for each channel. A layer that
// limits a does more than multiply and add.
func (l *scale) ChannelAffine(n, c int) (layers.Affine, bool) {
	weights := 1
	if l.param.GetBiasTerm() {
		weights = 2
	}
	if len(l.Blobs) < weights || !l.perChannel(n, c) || l.limited() {
		return layers.Affine{}, false // a is a bottom, or there is more to compute
	}
	a := layers.Affine{Factor: l.Blobs[0], FactorDiff: l.Needs(0)}
	if weights == 2 {
		a.Shift, a.ShiftDiff = l.Blobs[1], l.Needs(1)
	}
	return a, true
}

// KeepsBottom returns true: Backward needs x, unless a is fixed.
func (l *scale) KeepsBottom() bool { return true }

// BackwardReads returns that Backward reads the bottoms.
func (l *scale) BackwardReads() (bottom, top bool) { return true, false }

// keeps reports whether Backward needs the x that a pass in place overwrites.
func (l *scale) keeps(bottom, top []*blob.Blob) bool {
	return bottom[0] == top[0] && (len(bottom) > 1 || l.Needs(0))
}

// limited reports whether the options limit the factors to a range.
func (l *scale) limited() bool {
	return l.param != nil && (l.param.MinValue != nil || l.param.MaxValue != nil)
}

// limit limits the factors to the range of the options.
func (l *scale) limit(a *blob.Blob) {
	if !l.limited() {
		return
	}
	x := a.MutableData()
	for i, v := range x {
		if l.param.MinValue != nil {
			v = max(v, *l.param.MinValue)
		}
		if l.param.MaxValue != nil {
			v = min(v, *l.param.MaxValue)
		}
		x[i] = v
	}
}

// Forward computes the top.
func (l *scale) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.limit(l.a(bottom))
	w, x := l.spec.Env.Workers, bottom[0].Data()
	if l.keeps(bottom, top) {
		if err := l.kept.Keep(w, bottom[0]); err != nil {
			return err
		}
	}
	kernel.ChannelScaleShift(w, l.outer, l.dim, l.inner, x, l.a(bottom).Data(), l.b(), top[0].MutableData())
	return nil
}

// Backward computes the diffs of the bottoms and adds to those of the weights. The diff
// of x comes last, because in place it overwrites the diff of the top.
func (l *scale) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, x, dy := l.spec.Env.Workers, bottom[0].Data(), top[0].Diff()
	if last := len(l.Blobs) - 1; l.param.GetBiasTerm() && l.Needs(last) {
		kernel.ChannelSum(w, l.outer, l.dim, l.inner, dy, l.sum)
		kernel.Axpy(nil, 1, l.sum[:l.dim], l.Blobs[last].MutableDiff())
	}
	if l.keeps(bottom, top) {
		x = l.kept.Blob().Data()
	}
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		kernel.ChannelDot(w, l.outer, l.dim, l.inner, dy, x, bottom[1].MutableDiff())
	case len(bottom) == 1 && l.Needs(0):
		kernel.ChannelDot(w, l.outer, l.dim, l.inner, dy, x, l.sum)
		kernel.Axpy(nil, 1, l.sum[:l.dim], l.Blobs[0].MutableDiff())
	}
	if propagateDown[0] {
		kernel.ChannelScaleShift(w, l.outer, l.dim, l.inner, dy, l.a(bottom).Data(), nil, bottom[0].MutableDiff())
	}
	return nil
}
