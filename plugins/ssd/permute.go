package ssd

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Permute",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "permute_param",
			Number:  202,
			Proto:   schema("permute.proto"),
			Message: "PermuteParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newPermute,
		Kernels: permuteKernels,
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

	// The axes of the top, where axes that stay neighbours are one: sizes, and the
	// steps between two elements in the bottom.
	dims, steps []int
	same        bool // the order is that of the bottom
	shape       []int

	onDevice blob.Blob // dims and steps, as ints
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
	axes := bottom[0].Axes()
	for i, axis := range l.named {
		if axis >= axes {
			return l.spec.ErrorAt("permute_param.order", i, fmt.Errorf("order has axis %d, the bottom has shape %v, want an axis less than %d", axis, bottom[0].Shape(), axes))
		}
	}
	l.order = slices.Clone(l.named)
	for axis := range axes {
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
	l.shape, l.dims, l.steps = l.shape[:0], l.dims[:0], l.steps[:0]
	for i, axis := range l.order {
		n := x.Dim(axis)
		l.shape = append(l.shape, n)
		if last := len(l.dims) - 1; i > 0 && axis == l.order[i-1]+1 {
			l.dims[last] *= n
			l.steps[last] = x.CountFrom(axis + 1)
			continue
		}
		l.dims, l.steps = append(l.dims, n), append(l.steps, x.CountFrom(axis+1))
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
	if err := l.onDevice.Reshape(2 * len(l.dims)); err != nil {
		return err
	}
	ints := cuda.Ints(l.onDevice.MutableData())
	for i, n := range l.dims {
		ints[2*i], ints[2*i+1] = int32(n), int32(l.steps[i])
	}
	return nil
}

// Forward computes the top.
func (l *permute) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.same {
		return top[0].ShareData(bottom[0])
	}
	l.run(permuteArgs{ordered: top[0].MutableData(), plain: bottom[0].Data()})
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *permute) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *permute) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case !propagateDown[0]:
	case !l.same:
		l.run(permuteArgs{ordered: top[0].Diff(), plain: bottom[0].MutableDiff(), back: true})
	case !bottom[0].SharesDiff(top[0]):
		kernel.Copy(l.spec.Env.Workers, top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}

// permuteArgs are the arguments of permuteRows: an array in the order of the top and
// one in that of the bottom.
type permuteArgs struct {
	ordered, plain []float32
	dims, steps    []int
	back           bool // from ordered to plain
}

func (l *permute) run(a permuteArgs) {
	a.dims, a.steps = l.dims, l.steps
	if len(a.ordered) == 0 {
		return
	}
	width := a.dims[len(a.dims)-1]
	permuteRows.Run(l.spec.Env.Workers, len(a.ordered)/width, 1+8192/width, a)
}

// permuteRows moves rows of the top's last axis.
var permuteRows = parallel.Loop[permuteArgs]{Body: func(a *permuteArgs, _, from, to int) {
	last := len(a.dims) - 1
	width, step := a.dims[last], a.steps[last]
	for row := from; row < to; row++ {
		at, rest := 0, row
		for i := last - 1; i >= 0; i-- {
			at += rest % a.dims[i] * a.steps[i]
			rest /= a.dims[i]
		}
		ordered := a.ordered[row*width : (row+1)*width]
		if a.back {
			for k, v := range ordered {
				a.plain[at+k*step] = v
			}
			continue
		}
		for k := range ordered {
			ordered[k] = a.plain[at+k*step]
		}
	}
}}
