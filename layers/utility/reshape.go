package utility

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Reshape",
		Kernels: cuda.Math,
		Group:   "utility",
		Param:   "reshape_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newReshape,
		Doc: `Gives a blob another shape.

Bottom: any blob.
Top: the bottom in the same memory, with the sizes of shape instead of num_axes axes.

reshape_param:
	shape (no axis): the new sizes. 0 copies the size of the bottom's axis at the same position. One size
		may be -1: it is computed from the others.
	axis (0): the first axis to replace. A negative one counts from the end: -1 is the position after the
		last axis (in other layers it is the last axis).
	num_axes (-1): number of axes to replace; -1 replaces all from axis on, 0 inserts the new ones

Caffe: reshape_layer.cpp`,
	})
}

// reshape implements the layer type; its registration describes it.
type reshape struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	dims    []int // of reshape_param.shape
	axis    int
	numAxes int
	shape   []int // of the top
}

var (
	_ layers.Layer          = (*reshape)(nil)
	_ layers.BackwardReader = (*reshape)(nil)
)

func newReshape(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetReshapeParam()
	l := &reshape{spec: spec, axis: int(p.GetAxis()), numAxes: int(p.GetNumAxes())}
	if l.numAxes < -1 {
		return nil, spec.Errorf("reshape_param.num_axes", "got num_axes %d, want 0 or more, or -1 for all", l.numAxes)
	}
	inferred := false
	for i, dim := range p.GetShape().GetDim() {
		switch {
		case dim < -1 || dim > math.MaxInt32:
			return nil, l.dimError(i, "got dim %d, want a size, 0 or -1", dim)
		case dim == -1 && inferred:
			return nil, l.dimError(i, "got a second dim of -1, want one at most")
		}
		inferred = inferred || dim == -1
		l.dims = append(l.dims, int(dim))
	}
	return l, nil
}

// dimError is an error about value i of the shape.
func (l *reshape) dimError(i int, format string, args ...any) error {
	return l.spec.ErrorAt("reshape_param.shape.dim", i, fmt.Errorf(format, args...))
}

func (l *reshape) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *reshape) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	first, end, err := l.replaced(x)
	if err != nil {
		return err
	}
	l.shape = append(l.shape[:0], x.Shape()[:first]...)
	l.shape = append(l.shape, l.dims...)
	l.shape = append(l.shape, x.Shape()[end:]...)
	infer := -1
	for i, dim := range l.dims {
		switch {
		case dim == -1:
			infer = i
		case dim == 0 && first+i >= x.Axes():
			return l.dimError(i, "got dim 0, which copies axis %d, but the bottom has shape %v", first+i, x.Shape())
		case dim == 0:
			l.shape[first+i] = x.Dim(first + i)
		}
	}
	if infer >= 0 {
		if err := l.infer(first, infer, x); err != nil {
			return err
		}
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("reshape_param.shape", 0, err)
	}
	if top[0].Count() != x.Count() {
		return l.spec.Errorf("reshape_param.shape", "got shape %v of %d elements for a bottom of shape %v, want %d elements",
			top[0].Shape(), top[0].Count(), x.Shape(), x.Count())
	}
	return share(top[0], x)
}

// replaced returns the range of axes to replace.
func (l *reshape) replaced(x *blob.Blob) (first, end int, err error) {
	first = l.axis
	if first < 0 {
		first += x.Axes() + 1
	}
	if first < 0 || first > x.Axes() {
		return 0, 0, l.spec.Errorf("reshape_param.axis", "got axis %d, want %d to %d for a bottom of shape %v", l.axis, -x.Axes()-1, x.Axes(), x.Shape())
	}
	end = x.Axes()
	if l.numAxes >= 0 {
		end = first + l.numAxes
	}
	if end > x.Axes() {
		return 0, 0, l.spec.Errorf("reshape_param.num_axes", "got num_axes %d from axis %d on, want at most %d for a bottom of shape %v",
			l.numAxes, first, x.Axes()-first, x.Shape())
	}
	return first, end, nil
}

// infer replaces the -1 of the shape, which is dim i of reshape_param.
func (l *reshape) infer(first, i int, x *blob.Blob) error {
	rest := 1
	for axis, n := range l.shape {
		// A product above the bottom's count cannot divide it. Stopping there
		// also avoids an overflow.
		if axis != first+i && rest <= x.Count() {
			rest *= n
		}
	}
	if rest == 0 || x.Count()%rest != 0 {
		return l.dimError(i, "cannot infer dim -1: the bottom of shape %v has %d elements, want a multiple of the product of the other sizes of %v",
			x.Shape(), x.Count(), l.shape)
	}
	l.shape[first+i] = x.Count() / rest
	return nil
}

func (l *reshape) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	return top[0].ShareData(bottom[0])
}

// BackwardReads returns that Backward reads no data.
func (l *reshape) BackwardReads() (bottom, top bool) { return false, false }

func (l *reshape) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		passBack(l.spec.Env.Workers, bottom[0], top[0])
	}
	return nil
}
