package datalayer

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Input",
		Group: "data",
		Param: "input_param",
		Doc: `Blobs that the program fills before each pass.

Tops: one or more.

input_param:
	shape: one for all tops, or one for each; without it the program gives the tops their shapes

Caffe: input_layer.cpp.`,
		Tops: layers.AtLeast(1),
		New:  newInput,
	})
}

type input struct {
	layers.NoBottoms
	spec   *layers.Spec
	shapes []*caffepb.BlobShape
}

var _ layers.Layer = (*input)(nil)

func newInput(spec *layers.Spec) (layers.Layer, error) {
	shapes := spec.Param.GetInputParam().GetShape()
	if n := len(spec.Param.GetTop()); len(shapes) > 1 && len(shapes) != n {
		return nil, spec.Errorf("input_param.shape", "%d shapes for %d tops, want none, 1 or %[2]d", len(shapes), n)
	}
	return &input{spec: spec, shapes: shapes}, nil
}

// SetUp gives the tops their shapes.
func (l *input) SetUp(_, top []*blob.Blob) error {
	if len(l.shapes) == 0 {
		return nil
	}
	return reshapeAll(l.spec, "input_param.shape", l.shapes, top)
}

// Forward does nothing.
func (l *input) Forward(context.Context, []*blob.Blob, []*blob.Blob) error { return nil }

// reshapeAll gives each top its shape from the field, or the only one there is.
func reshapeAll(spec *layers.Spec, field string, shapes []*caffepb.BlobShape, top []*blob.Blob) error {
	for i, t := range top {
		index := min(i, len(shapes)-1)
		dims := shapes[index].GetDim()
		shape := make([]int, len(dims))
		for j, n := range dims {
			if shape[j] = int(n); int64(shape[j]) != n {
				return spec.ErrorAt(field, index, fmt.Errorf("a size is %d, want less than 2^31", n))
			}
		}
		if err := t.Reshape(shape...); err != nil {
			return spec.ErrorAt(field, index, err)
		}
	}
	return nil
}
