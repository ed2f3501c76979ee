package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Slice",
		Kernels: cuda.Math,
		Group:   "utility",
		Param:   "slice_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.AtLeast(1),
		New:     newSlice,
		Doc: `Cuts a blob along an axis.

Bottom: any blob.
Tops: the pieces in their order. A single top is the same memory as the bottom.

slice_param:
	slice_point (none): the index at which each piece after the first begins, in rising order: one
		less than there are tops. Without any, the pieces are of equal size.
	axis (1): the axis; a negative one counts from the last
	slice_dim (1): old name of axis, not negative. Only one of the two may be given.

Caffe: slice_layer.cpp`,
	})
}

// slice is described by its registration.
type slice struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	axis   axisOption
	points []int

	at, rows int   // the axis, and the count before it
	shape    []int // of a top
	copier   *copier
}

var (
	_ layers.Layer          = (*slice)(nil)
	_ layers.BackwardReader = (*slice)(nil)
)

func newSlice(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetSliceParam()
	axis, err := newAxisOption(spec, "slice_param", "slice_dim", p.GetAxis(), p != nil && p.Axis != nil, p.GetSliceDim(), p != nil && p.SliceDim != nil)
	if err != nil {
		return nil, err
	}
	l := &slice{spec: spec, axis: axis, copier: newCopier()}
	previous := 0
	for i, point := range p.GetSlicePoint() {
		if int(point) <= previous {
			return nil, spec.ErrorAt("slice_param.slice_point", i, fmt.Errorf("got slice_point %d, want more than %d: the points rise", point, previous))
		}
		previous = int(point)
		l.points = append(l.points, previous)
	}
	return l, nil
}

func (l *slice) SetUp(bottom, top []*blob.Blob) error {
	if n := len(l.points); n != 0 && n != len(top)-1 {
		return l.spec.Errorf("slice_param.slice_point", "got %d slice points for %d tops, want %d or none", n, len(top), len(top)-1)
	}
	return nil
}

func (l *slice) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	var err error
	if l.at, err = l.axis.of(l.spec, x); err != nil {
		return err
	}
	l.rows = x.CountRange(0, l.at)
	if err := l.check(x.Dim(l.at), len(top)); err != nil {
		return err
	}
	l.shape = append(l.shape[:0], x.Shape()...)
	for i, t := range top {
		l.shape[l.at] = l.size(i, x.Dim(l.at), len(top))
		if err := t.Reshape(l.shape...); err != nil {
			return l.spec.ErrorAt("", 0, err)
		}
	}
	if len(top) == 1 {
		return share(top[0], x)
	}
	return nil
}

// check tells why an axis of the given size cannot be cut, if it cannot. The
// last piece, but no other, may be empty.
func (l *slice) check(size, tops int) error {
	n := len(l.points)
	switch {
	case n == 0 && size%tops != 0:
		return l.spec.Errorf(l.axis.field, "got axis %d of size %d for %d tops, want a multiple of %d, or slice points", l.at, size, tops, tops)
	case n > 0 && (l.points[n-1] > size || tops > size):
		return l.spec.ErrorAt("slice_param.slice_point", n-1, fmt.Errorf("got last slice_point %d of %d tops, want both at most %d, the size of axis %d",
			l.points[n-1], tops, size, l.at))
	}
	return nil
}

// size returns the size of piece i.
func (l *slice) size(i, size, tops int) int {
	if len(l.points) == 0 {
		return size / tops
	}
	lo, hi := 0, size
	if i > 0 {
		lo = l.points[i-1]
	}
	if i < len(l.points) {
		hi = l.points[i]
	}
	return hi - lo
}

func (l *slice) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if len(top) == 1 {
		return top[0].ShareData(bottom[0])
	}
	x, step := bottom[0].Data(), bottom[0].CountFrom(l.at)
	offset := 0
	for _, t := range top {
		width := t.CountFrom(l.at)
		l.copier.copy(l.spec.Env.Workers, t.MutableData(), width, x[offset:], step, l.rows, width)
		offset += width
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *slice) BackwardReads() (bottom, top bool) { return false, false }

func (l *slice) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	if len(top) == 1 {
		passBack(l.spec.Env.Workers, bottom[0], top[0])
		return nil
	}
	dx, step := bottom[0].MutableDiff(), bottom[0].CountFrom(l.at)
	offset := 0
	for _, t := range top {
		width := t.CountFrom(l.at)
		l.copier.copy(l.spec.Env.Workers, dx[offset:], step, t.Diff(), width, l.rows, width)
		offset += width
	}
	return nil
}
