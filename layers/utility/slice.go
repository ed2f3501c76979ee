package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
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
Tops: the pieces in order. A single top shares the memory of the bottom.

slice_param:
	slice_point (none): the index at which each piece after the first begins, in ascending order.
		Without slice points, the pieces have equal sizes.
	axis (1): the axis; a negative one counts from the last
	slice_dim (1): old form of axis, not negative; only one of the two may be given

Caffe: slice_layer.cpp`,
	})
}

// slice implements the layer type; its registration describes it.
type slice struct {
	pieces
	points []int
}

var (
	_ layers.Layer          = (*slice)(nil)
	_ layers.BackwardReader = (*slice)(nil)
)

func newSlice(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetSliceParam()
	if p == nil {
		p = new(caffepb.SliceParameter)
	}
	pieces, err := newPieces(spec, "slice_param", p.Axis, "slice_dim", p.SliceDim)
	if err != nil {
		return nil, err
	}
	l := &slice{pieces: pieces}
	previous := 0
	for i, point := range p.SlicePoint {
		if int(point) <= previous {
			return nil, spec.ErrorAt("slice_param.slice_point", i, fmt.Errorf("got slice_point %d, want more than %d: the points must ascend", point, previous))
		}
		previous = int(point)
		l.points = append(l.points, previous)
	}
	if n, tops := len(l.points), len(spec.Param.GetTop()); n != 0 && n != tops-1 {
		return nil, spec.Errorf("slice_param.slice_point", "got %d slice points for %d tops, want %d or none", n, tops, tops-1)
	}
	return l, nil
}

func (l *slice) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if err := l.measure(x); err != nil {
		return err
	}
	size := x.Dim(l.at)
	if err := l.check(size, len(top)); err != nil {
		return err
	}
	for i, t := range top {
		l.shape[l.at] = l.size(i, size, len(top))
		if err := t.Reshape(l.shape...); err != nil {
			return l.spec.ErrorAt("", 0, err)
		}
	}
	if len(top) == 1 {
		return share(top[0], x)
	}
	return nil
}

// check returns an error if an axis of the given size cannot be cut. Only the last piece
// may be empty.
func (l *slice) check(size, tops int) error {
	n := len(l.points)
	switch {
	case n == 0 && size%tops != 0:
		return l.spec.Errorf(l.option, "axis %d has size %d, which %d tops cannot share equally: want a multiple of %d, or slice points", l.at, size, tops, tops)
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
	l.cut(data, bottom[0], nil, top)
	return nil
}

func (l *slice) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case !propagateDown[0]:
	case len(top) > 1:
		l.join(diff, top, bottom[0])
	default:
		passBack(l.spec.Env.Workers, bottom[0], top[0])
	}
	return nil
}
