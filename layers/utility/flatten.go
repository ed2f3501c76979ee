package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Flatten",
		Kernels: cuda.Math,
		Group:   "utility",
		Param:   "flatten_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newFlatten,
		Doc: `Joins neighbouring axes into one: items x channels x height x width become items x elements.

Bottom: any blob.
Top: the bottom in the same memory, with one axis instead of those from axis to end_axis.

flatten_param:
	axis (1): the first axis to join; a negative one counts from the last, which is -1
	end_axis (-1): the last axis to join. If it is the one before axis, an axis of size 1 is inserted.

Caffe: flatten_layer.cpp`,
	})
}

// flatten implements the layer type; its registration describes it.
type flatten struct {
	layers.OnRecordableDevice
	spec       *layers.Spec
	first, end int   // axis and end_axis as given
	shape      []int // of the top
}

var (
	_ layers.Layer          = (*flatten)(nil)
	_ layers.BackwardReader = (*flatten)(nil)
)

func newFlatten(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetFlattenParam()
	return &flatten{spec: spec, first: int(p.GetAxis()), end: int(p.GetEndAxis())}, nil
}

func (l *flatten) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *flatten) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	first, err := x.Axis(l.first)
	if err != nil {
		return l.spec.ErrorAt("flatten_param.axis", 0, err)
	}
	end, err := x.Axis(l.end)
	if err != nil {
		return l.spec.ErrorAt("flatten_param.end_axis", 0, err)
	}
	if end+1 < first {
		return l.spec.Errorf("flatten_param.end_axis", "got end_axis %d before axis %d, want the same axis or a later one", l.end, l.first)
	}
	l.shape = append(l.shape[:0], x.Shape()[:first]...)
	l.shape = append(l.shape, x.CountRange(first, end+1))
	l.shape = append(l.shape, x.Shape()[end+1:]...)
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return share(top[0], x)
}

func (l *flatten) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	return top[0].ShareData(bottom[0])
}

// BackwardReads returns that Backward reads no data.
func (l *flatten) BackwardReads() (bottom, top bool) { return false, false }

func (l *flatten) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		passBack(l.spec.Env.Workers, bottom[0], top[0])
	}
	return nil
}
