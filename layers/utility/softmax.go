package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Softmax",
		Group:   "utility",
		Param:   "softmax_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newSoftmax,
		Kernels: cuda.Math,
		Doc: `Turns scores into probabilities: y = exp(x) / sum of exp(x) over the classes.

Bottom: scores, outer x classes x inner elements (for axis 1: items x classes x positions).
Top: probabilities, in the same shape. It may be the bottom itself.

softmax_param:
	normalize_type (Softmax): must be Softmax (NormFace)
	axis (1): the axis of the classes; a negative one counts from the last
	engine: accepted and ignored

Caffe: softmax_layer.cpp`,
	})
}

// softmax implements the layer type; its registration describes it. It works in place, since Backward reads only
// the top.
type softmax struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	axis int

	outer, classes, inner int
}

var (
	_ layers.Layer          = (*softmax)(nil)
	_ layers.BackwardReader = (*softmax)(nil)
)

func newSoftmax(spec *layers.Spec) (layers.Layer, error) {
	return &softmax{spec: spec, axis: int(spec.Param.GetSoftmaxParam().GetAxis())}, spec.CheckSoftmax()
}

func (l *softmax) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *softmax) Reshape(bottom, top []*blob.Blob) error {
	x := bottom[0]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("softmax_param.axis", 0, err)
	}
	l.outer, l.classes, l.inner = x.CountRange(0, axis), x.Dim(axis), x.CountFrom(axis+1)
	if err := top[0].ReshapeLike(x); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return nil
}

func (l *softmax) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.Softmax(l.spec.Env.Workers, l.outer, l.classes, l.inner, bottom[0].Data(), top[0].MutableData())
	return nil
}

// BackwardReads returns that Backward reads the top.
func (l *softmax) BackwardReads() (bottom, top bool) { return false, true }

func (l *softmax) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		kernel.SoftmaxBackward(l.spec.Env.Workers, l.outer, l.classes, l.inner, top[0].Data(), top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}
