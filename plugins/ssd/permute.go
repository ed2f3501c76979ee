package ssd

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/axes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Permute",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "permute_param",
			Number:  202,
			Proto:   layers.Schema(schemas, "permute.proto"),
			Message: "PermuteParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newPermute,
		Kernels: axes.Kernels,
		Doc: `Orders the axes of a blob anew: axis i of the top is axis order[i] of the bottom.

Bottom: of any shape.
Top: the same elements. If the order is that of the bottom, the top shares its memory.

permute_param:
	order: the axes of the bottom, each at most once; those that are not named follow in ascending order

Source: github.com/weiliu89/caffe (branch ssd), permute_layer.cpp`,
	})
}

// permute implements the layer type; its registration describes it.
type permute struct {
	layers.OnRecordableDevice
	spec  *layers.Spec
	named []int // the option order
	order []int // of all axes

	same  bool  // the order is that of the bottom
	shape []int // of the top
	mover axes.Mover
}

var (
	_ layers.Layer          = (*permute)(nil)
	_ layers.BackwardReader = (*permute)(nil)
)

func newPermute(s *layers.Spec) (layers.Layer, error) {
	l := &permute{spec: s}
	var o struct {
		Order []int `proto:"order"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	for i, axis := range o.Order {
		if slices.Contains(o.Order[:i], axis) {
			return nil, s.ErrorAt("permute_param.order", i, fmt.Errorf("order names axis %d twice", axis))
		}
	}
	l.named = o.Order
	return l, nil
}

// SetUp completes the order. Later bottoms have as many axes.
func (l *permute) SetUp(bottom, _ []*blob.Blob) error {
	n := bottom[0].Axes()
	for i, axis := range l.named {
		if axis >= n {
			return l.spec.ErrorAt("permute_param.order", i, fmt.Errorf("order has axis %d, the bottom has shape %v, want an axis less than %d", axis, bottom[0].Shape(), n))
		}
	}
	l.order = slices.Clone(l.named)
	for axis := range n {
		if !slices.Contains(l.named, axis) {
			l.order = append(l.order, axis)
		}
	}
	l.same = slices.IsSorted(l.order)
	return nil
}

// Reshape sets the shape of the top and the steps.
func (l *permute) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != len(l.order) {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d axes as when the layer was set up", x.Shape(), len(l.order))
	}
	l.shape = l.shape[:0]
	for _, axis := range l.order {
		l.shape = append(l.shape, x.Dim(axis))
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return err
	}
	if l.same {
		if err := top[0].ShareData(x); err != nil {
			return err
		}
		return top[0].ShareDiff(x)
	}
	return l.mover.Order(x.Shape(), l.order)
}

// Forward computes the top.
func (l *permute) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.same {
		return top[0].ShareData(bottom[0])
	}
	l.mover.Move(l.spec.Env.Workers, top[0].MutableData(), bottom[0].Data(), false)
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *permute) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *permute) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case !propagateDown[0]:
	case !l.same:
		l.mover.Move(l.spec.Env.Workers, top[0].Diff(), bottom[0].MutableDiff(), true)
	case !bottom[0].SharesDiff(top[0]):
		kernel.Copy(l.spec.Env.Workers, top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}
