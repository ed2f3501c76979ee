package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Crop",
		Group:   "utility",
		Param:   "crop_param",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newCrop,
		Kernels: cropKernels,
		Doc: `Cuts a blob to the size of another one.

Bottoms: x; a blob with the same number of axes, of which only the shape counts. Its gradient is 0.
Top: the part of x that begins at the offsets, of the shape of the second bottom from axis on.

crop_param:
	axis (2): the first axis to cut; a negative one counts from the last
	offset (0): where the part begins, once, or once for each axis from axis on

Caffe: crop_layer.cpp`,
	})
}

// crop implements the layer type; its registration describes it.
type crop struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	axis    int
	offsets []uint32

	shape []int // of the top
	rows  int   // of the top: all but its last axis
	width int
	// axes are those of the top before the last. Along them, rows are found in x.
	axes  []cropAxis
	first int       // where the part begins in x
	table blob.Blob // the axes and the last one for a device, as ints

	forward, grad parallel.Loop[cropArgs]
}

// A cropAxis is an axis of the top.
type cropAxis struct{ size, step int } // step is the distance of two places in x

// cropArgs are the arguments of a loop over rows of the top.
type cropArgs struct {
	l    *crop
	x, y []float32
}

var (
	_ layers.Layer          = (*crop)(nil)
	_ layers.BackwardForcer = (*crop)(nil)
	_ layers.BackwardReader = (*crop)(nil)
)

func newCrop(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetCropParam()
	l := &crop{spec: spec, axis: int(p.GetAxis()), offsets: p.GetOffset()}
	l.forward.Body = func(a *cropArgs, _, from, to int) {
		for row := from; row < to; row++ {
			copy(a.y[row*a.l.width:(row+1)*a.l.width], a.x[a.l.at(row):])
		}
	}
	l.grad.Body = func(a *cropArgs, _, from, to int) {
		for row := from; row < to; row++ {
			copy(a.x[a.l.at(row):], a.y[row*a.l.width:(row+1)*a.l.width])
		}
	}
	return l, nil
}

// AllowForceBackward returns true for x.
func (l *crop) AllowForceBackward(i int) bool { return i == 0 }

func (l *crop) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *crop) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, like := bottom[0], bottom[1]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("crop_param.axis", 0, err)
	}
	if like.Axes() != x.Axes() {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got shape %v, want %d axes as the first bottom has", like.Shape(), x.Axes()))
	}
	if n := len(l.offsets); n > 1 && n != x.Axes()-axis {
		return l.spec.Errorf("crop_param.offset", "got %d offsets, want one, or one for each of the %d axes from %d on", n, x.Axes()-axis, axis)
	}
	l.shape = append(l.shape[:0], x.Shape()...)
	l.first = 0
	for i := axis; i < x.Axes(); i++ {
		l.shape[i] = like.Dim(i)
		offset := l.offset(i - axis)
		if offset > x.Dim(i)-l.shape[i] {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("axis %d has size %d there and %d in the first bottom: too large with offset %d",
				i, l.shape[i], x.Dim(i), offset))
		}
		l.first += offset * x.CountFrom(i+1)
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return l.plan(x, top[0])
}

// offset returns that of axis i from the first axis to cut on.
func (l *crop) offset(i int) int {
	switch len(l.offsets) {
	case 0:
		return 0
	case 1:
		return int(l.offsets[0])
	}
	return int(l.offsets[i])
}

// plan finds out how the rows of the top lie in x.
func (l *crop) plan(x, top *blob.Blob) error {
	last := x.Axes() - 1
	l.width, l.rows, l.axes = top.Dim(last), top.CountRange(0, last), l.axes[:0]
	for i := range last {
		l.axes = append(l.axes, cropAxis{top.Dim(i), x.CountFrom(i + 1)})
	}
	if err := l.table.Reshape(2 * x.Axes()); err != nil || l.spec.Env.Device == nil {
		return err
	}
	table := cuda.Ints(l.table.MutableData())
	for i, a := range append(l.axes, cropAxis{l.width, 1}) {
		table[2*i], table[2*i+1] = int32(a.size), int32(a.step)
	}
	return nil
}

// at returns where a row of the top begins in x.
func (l *crop) at(row int) int {
	at := l.first
	for i := len(l.axes) - 1; i >= 0; i-- {
		a := l.axes[i]
		at += row % a.size * a.step
		row /= a.size
	}
	return at
}

// rowsPerPart is how many rows a part of a loop copies.
func (l *crop) rowsPerPart() int { return max(1, partSize/max(1, l.width)) }

func (l *crop) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.width > 0 {
		l.forward.Run(l.spec.Env.Workers, l.rows, l.rowsPerPart(), cropArgs{l, bottom[0].Data(), top[0].MutableData()})
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *crop) BackwardReads() (bottom, top bool) { return false, false }

func (l *crop) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w := l.spec.Env.Workers
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Fill(w, 0, b.MutableDiff())
		}
	}
	if propagateDown[0] && l.width > 0 {
		l.grad.Run(w, l.rows, l.rowsPerPart(), cropArgs{l, bottom[0].MutableDiff(), top[0].Diff()})
	}
	return nil
}
