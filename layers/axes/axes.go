// Package axes copies blobs with their axes in another order, for layers such as SSD's
// Permute.
package axes

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:embed axes.ptx.gz
var ptx string

// Kernels are the kernels of Mover, for layers.Info.
var Kernels = cuda.NewModule(ptx)

var moveKernel = Kernels.Kernel("axes_move")

// A Mover copies between a plain array and one whose axes are in another order, or run
// backwards. Its methods allocate nothing in the steady state.
type Mover struct {
	// The axes of the ordered array, where axes that stay neighbours are one: sizes, and
	// the steps between two elements in the plain array, whose first one is at base.
	dims, steps []int
	base        int
	onDevice    blob.Blob // dims and steps, as ints
}

// Order sets the shape of the plain array and the order: axis i of the ordered array is
// axis order[i] of the plain one. An order has each axis once.
func (m *Mover) Order(shape, order []int) error {
	m.dims, m.steps, m.base = m.dims[:0], m.steps[:0], 0
	for i, axis := range order {
		n := shape[axis]
		if last := len(m.dims) - 1; i > 0 && axis == order[i-1]+1 {
			m.dims[last] *= n
			m.steps[last] = count(shape[axis+1:])
			continue
		}
		m.dims, m.steps = append(m.dims, n), append(m.steps, count(shape[axis+1:]))
	}
	return m.upload()
}

// Reverse sets the shape of both arrays and the axis that runs backwards.
func (m *Mover) Reverse(shape []int, axis int) error {
	n, inner := shape[axis], count(shape[axis+1:])
	m.dims = append(m.dims[:0], count(shape[:axis]), n, inner)
	m.steps = append(m.steps[:0], n*inner, -inner, 1)
	m.base = max(0, n-1) * inner
	return m.upload()
}

func count(shape []int) int {
	n := 1
	for _, size := range shape {
		n *= size
	}
	return n
}

func (m *Mover) upload() error {
	if err := m.onDevice.Reshape(2 * len(m.dims)); err != nil {
		return err
	}
	ints := cuda.Ints(m.onDevice.MutableData())
	for i, n := range m.dims {
		ints[2*i], ints[2*i+1] = int32(n), int32(m.steps[i])
	}
	return nil
}

// Move copies plain to ordered, or ordered to plain if back is set.
func (m *Mover) Move(p *parallel.Pool, ordered, plain []float32, back bool) {
	if len(ordered) == 0 {
		return
	}
	width := m.dims[len(m.dims)-1]
	moveRows.Run(p, len(ordered)/width, parallel.Step(width), moveArgs{m, ordered, plain, back})
}

// MoveDevice is Move on a device.
func (m *Mover) MoveDevice(d *cuda.Device, ordered, plain cuda.Ptr, back bool) {
	n := count(m.dims)
	d.Launch(moveKernel, cuda.Each(n), ordered, plain, m.onDevice.DeviceData(d), len(m.dims), m.base, back, n)
}

type moveArgs struct {
	*Mover
	ordered, plain []float32
	back           bool // from ordered to plain
}

// moveRows moves rows of the ordered array's last axis.
var moveRows = parallel.Loop[moveArgs]{Body: func(a *moveArgs, _, from, to int) {
	last := len(a.dims) - 1
	width, step := a.dims[last], a.steps[last]
	for row := from; row < to; row++ {
		at, rest := a.base, row
		for i := last - 1; i >= 0; i-- {
			at += rest % a.dims[i] * a.steps[i]
			rest /= a.dims[i]
		}
		ordered := a.ordered[row*width : (row+1)*width]
		switch {
		case step == 1 && a.back:
			copy(a.plain[at:at+width], ordered)
		case step == 1:
			copy(ordered, a.plain[at:at+width])
		case a.back:
			for k, v := range ordered {
				a.plain[at+k*step] = v
			}
		default:
			for k := range ordered {
				ordered[k] = a.plain[at+k*step]
			}
		}
	}
}}
