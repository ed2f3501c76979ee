package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Split",
		Kernels: cuda.Math,
		Group:   "utility",
		Bottoms: layers.Exactly(1),
		Tops:    layers.AtLeast(1),
		New:     newSplit,
		Doc: `Passes one blob to several layers. Nets insert it where several layers use a blob.

Bottom: any blob. Its gradient is the sum of those of the tops.
Tops: the bottom, in the same memory.

Caffe: split_layer.cpp`,
	})
}

// split implements the layer type; its registration describes it. Each top has a diff of its own, which must be
// zero if no layer writes it.
type split struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	dys  [][]float32 // arguments of sum
	dx   []float32
	sum  parallel.Range
}

var (
	_ layers.Layer          = (*split)(nil)
	_ layers.BackwardReader = (*split)(nil)
	_ layers.Splitter       = (*split)(nil)
)

func newSplit(spec *layers.Spec) (layers.Layer, error) {
	l := &split{spec: spec}
	l.sum.Body = func(lo, hi int) { addAll(l.dys, lo, l.dx[lo:hi]) }
	return l, nil
}

func (l *split) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *split) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for _, t := range top {
		if err := t.ReshapeLike(bottom[0]); err != nil {
			return l.spec.ErrorAt("", 0, err)
		}
	}
	return l.share(bottom, top)
}

func (l *split) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	return l.share(bottom, top)
}

// share makes the data of the bottom those of the tops.
func (l *split) share(bottom, top []*blob.Blob) error {
	for _, t := range top {
		if err := t.ShareData(bottom[0]); err != nil {
			return l.spec.ErrorAt("", 0, err)
		}
	}
	return nil
}

// Splits returns true.
func (l *split) Splits() bool { return true }

// BackwardReads returns that Backward reads no data.
func (l *split) BackwardReads() (bottom, top bool) { return false, false }

func (l *split) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	workers, dx := l.spec.Env.Workers, bottom[0].MutableDiff()
	if len(top) == 1 {
		kernel.Copy(workers, top[0].Diff(), dx)
		return nil
	}
	l.dys, l.dx = gather(l.dys, top), dx
	l.sum.Run(workers, len(dx), partSize)
	return nil
}
