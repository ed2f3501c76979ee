package utility

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Filter",
		Kernels: cuda.Math,
		Group:   "utility",
		Bottoms: layers.AtLeast(2),
		Tops:    layers.AtLeast(1),
		New:     func(spec *layers.Spec) (layers.Layer, error) { return &filter{spec: spec}, nil },
		Doc: `Lets items of blobs pass or not. The size of the tops changes from pass to pass.

Bottoms: one or more blobs with the same number of items; last a number for each item, which has no
gradient: items with 0 do not pass.
Tops: for each of the other bottoms, the items that pass. Before the first pass they have the shapes of
the bottoms.

Caffe: filter_layer.cpp`,
	})
}

// filter implements the layer type; its registration describes it.
type filter struct {
	spec *layers.Spec

	index    []int32   // of the items that pass
	onDevice blob.Blob // index, as ints
	shape    []int     // of a top
}

var (
	_ layers.Layer          = (*filter)(nil)
	_ layers.BackwardForcer = (*filter)(nil)
	_ layers.BackwardReader = (*filter)(nil)
)

// AllowForceBackward returns true for all but the selector.
func (l *filter) AllowForceBackward(i int) bool { return i < len(l.spec.Param.GetBottom())-1 }

func (l *filter) SetUp(bottom, top []*blob.Blob) error {
	if len(top) != len(bottom)-1 {
		return l.spec.Errorf("top", "layer has %d bottoms and %d tops, want a top for each bottom but the last", len(bottom), len(top))
	}
	return nil
}

// Reshape checks the bottoms and gives the tops their shapes.
func (l *filter) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	last := len(bottom) - 1
	selector := bottom[last]
	if selector.Axes() == 0 || selector.CountFrom(1) != 1 {
		return l.spec.ErrorAt("bottom", last, fmt.Errorf("got shape %v, want one number for each item", selector.Shape()))
	}
	for i, x := range bottom[:last] {
		if x.Axes() == 0 || x.Dim(0) != selector.Dim(0) {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want %d items, as the last bottom has", x.Shape(), selector.Dim(0)))
		}
	}
	l.index = slices.Grow(l.index[:0], selector.Dim(0))
	return l.reshapeTops(bottom, top, selector.Dim(0))
}

// reshapeTops makes the tops ready for n items.
func (l *filter) reshapeTops(bottom, top []*blob.Blob, n int) error {
	for i, y := range top {
		l.shape = append(l.shape[:0], bottom[i].Shape()...)
		l.shape[0] = n
		if err := y.Reshape(l.shape...); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// choose reads which items pass, and makes the tops ready for them.
func (l *filter) choose(bottom, top []*blob.Blob) error {
	l.index = l.index[:0]
	for i, v := range bottom[len(bottom)-1].Data() {
		if v != 0 {
			l.index = append(l.index, int32(i))
		}
	}
	return l.reshapeTops(bottom, top, len(l.index))
}

func (l *filter) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.choose(bottom, top); err != nil {
		return err
	}
	for i, y := range top {
		kernel.GatherRows(l.spec.Env.Workers, len(l.index), y.CountFrom(1), bottom[i].Data(), l.index, y.MutableData())
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *filter) BackwardReads() (bottom, top bool) { return false, false }

func (l *filter) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, len(top)); err != nil {
		return err
	}
	for i, y := range top {
		if propagateDown[i] {
			w, dx := l.spec.Env.Workers, bottom[i].MutableDiff()
			kernel.Fill(w, 0, dx)
			kernel.ScatterAddRows(w, len(l.index), y.CountFrom(1), y.Diff(), l.index, dx)
		}
	}
	return nil
}
