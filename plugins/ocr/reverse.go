package ocr

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/axes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Reverse",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "reverse_param",
			Number:  143,
			Proto:   layers.Schema(schemas, "reverse.proto"),
			Message: "ReverseParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newReverse,
		Kernels: axes.Kernels,
		Doc: `Reverse the order along one axis: element i of n becomes element n - 1 - i. An Lstm between two of these
reads its sequences backwards.

Bottom: of any shape with the axis.
Top: of the same shape.

reverse_param:
	axis (0): the axis, which may not be negative

Source: github.com/tianzhi0549/CTPN, reverse_layer.cpp`,
	})
}

// reverse implements the layer type; its registration describes it.
type reverse struct {
	axes.Passes
	spec *layers.Spec
	axis int
}

var (
	_ layers.DeviceLayer    = (*reverse)(nil)
	_ layers.BackwardReader = (*reverse)(nil)
)

func newReverse(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Axis int `proto:"axis"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if o.Axis < 0 {
		return nil, s.Errorf("reverse_param.axis", "axis is %d, want 0 or more", o.Axis)
	}
	return &reverse{Passes: axes.Passes{Workers: s.Env.Workers}, spec: s, axis: o.Axis}, nil
}

// Reshape gives the top the shape of the bottom.
func (l *reverse) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if x := bottom[0]; l.axis >= x.Axes() {
		return l.spec.Errorf("reverse_param.axis", "axis is %d, the bottom has shape %v, want an axis less than %d", l.axis, x.Shape(), x.Axes())
	}
	if err := top[0].ReshapeLike(bottom[0]); err != nil {
		return err
	}
	return l.Reverse(bottom[0].Shape(), l.axis)
}
