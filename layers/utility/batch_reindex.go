package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "BatchReindex",
		Kernels: cuda.Math,
		Group:   "utility",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New: func(spec *layers.Spec) (layers.Layer, error) {
			return &batchReindex{spec: spec, indices: layers.NewIndices(spec, 1, "an item of the first bottom")}, nil
		},
		Doc: `Selects, repeats and reorders the items of a blob.

Bottoms: x, of any shape; a vector of the numbers of items of x, from 0. The latter have no gradient.
Top: the items of x with these numbers, in their order.

Caffe: batch_reindex_layer.cpp`,
	})
}

// batchReindex implements the layer type; its registration describes it.
type batchReindex struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	indices *layers.Indices

	n, width int     // items of the top, and their size
	index    []int32 // of the last Forward
	shape    []int   // of the top
}

var (
	_ layers.Layer          = (*batchReindex)(nil)
	_ layers.BackwardForcer = (*batchReindex)(nil)
	_ layers.BackwardReader = (*batchReindex)(nil)
)

// AllowForceBackward returns true for the blob of the items.
func (l *batchReindex) AllowForceBackward(i int) bool { return i == 0 }

func (l *batchReindex) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *batchReindex) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() == 0 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got a scalar, want at least one axis"))
	}
	if bottom[1].Axes() != 1 {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got shape %v, want one axis", bottom[1].Shape()))
	}
	l.n, l.width = bottom[1].Count(), x.CountFrom(1)
	if err := l.indices.Reshape(l.n, x.Dim(0)); err != nil {
		return err
	}
	l.shape = append(l.shape[:0], x.Shape()...)
	l.shape[0] = l.n
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return nil
}

func (l *batchReindex) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.index, _, err = l.indices.Read(bottom[1]); err != nil {
		return err
	}
	kernel.GatherRows(l.spec.Env.Workers, l.n, l.width, bottom[0].Data(), l.index, top[0].MutableData())
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *batchReindex) BackwardReads() (bottom, top bool) { return false, false }

func (l *batchReindex) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	w, dx := l.spec.Env.Workers, bottom[0].MutableDiff()
	kernel.Fill(w, 0, dx)
	kernel.ScatterAddRows(w, l.n, l.width, top[0].Diff(), l.index, dx)
	return nil
}
