package ocr

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/axes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Transpose",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "transpose_param",
			Number:  142,
			Proto:   layers.Schema(schemas, "transpose.proto"),
			Message: "TransposeParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newTranspose,
		Kernels: axes.Kernels,
		Doc: `Orders the axes of a blob anew: axis i of the top is axis dim[i] of the bottom.

Bottom: with as many axes as dim has numbers.
Top: the same elements.

transpose_param:
	dim: the axes of the bottom, each once

Source: github.com/tianzhi0549/CTPN, transpose_layer.cpp`,
	})
}

// transpose implements the layer type; its registration describes it.
type transpose struct {
	axes.Passes
	spec  *layers.Spec
	order []int
	shape []int // of the top
}

var (
	_ layers.DeviceLayer    = (*transpose)(nil)
	_ layers.BackwardReader = (*transpose)(nil)
)

func newTranspose(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Dim []int `proto:"dim"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if len(o.Dim) == 0 {
		return nil, s.Errorf("transpose_param", "dim is missing, want the axes of the bottom in the order of the top")
	}
	for i, axis := range o.Dim {
		if axis < 0 || axis >= len(o.Dim) {
			return nil, s.ErrorAt("transpose_param.dim", i, fmt.Errorf("dim has axis %d, want 0 to %d", axis, len(o.Dim)-1))
		}
		if slices.Contains(o.Dim[:i], axis) {
			return nil, s.ErrorAt("transpose_param.dim", i, fmt.Errorf("dim names axis %d twice", axis))
		}
	}
	return &transpose{Passes: axes.Passes{Workers: s.Env.Workers}, spec: s, order: o.Dim}, nil
}

// Reshape sets the shape of the top.
func (l *transpose) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != len(l.order) {
		return l.spec.Errorf("transpose_param", "the bottom has shape %v, want %d axes, as many as dim", x.Shape(), len(l.order))
	}
	l.shape = l.shape[:0]
	for _, axis := range l.order {
		l.shape = append(l.shape, x.Dim(axis))
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return err
	}
	return l.Order(x.Shape(), l.order)
}
