// Package pool writes the loops of package pool for arm64: rows of windows.
package pool

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
)

// V is a vector register and R a general one.
type (
	V = neon.V
	R = neon.R
)

// Write writes all functions.
func Write(file *neon.File) {
	for stride := 1; stride <= 2; stride++ {
		maxRow(file, stride)
		aveRow(file, stride)
	}
}

// A row is a loop over a row of windows of (kh,kw), stride columns apart.
type row struct {
	stride     int
	places     []place
	begin, end func()
	element    func(v V) // of each window, in order of rows and columns
	nextRow    func()
}

// A place is a number or an address that a window moves by 1<<shift.
type place struct {
	at    R
	shift int
}

// write writes the loop: a vector of windows at a time, between begin and end. The last
// of them may overlap those before, so a row must have as many windows as a vector lanes.
func (r row) write(f *neon.Func) {
	x, width, n := f.Arg("x"), f.Scaled("width"), f.Len("y")
	kh, kw := f.Arg("kh"), f.Arg("kw")
	places := append(r.places, place{x, 1 + r.stride})
	f.Label("windows")
	r.begin()
	line, h := f.CopyR(x), f.CopyR(kh)
	f.Label("row")
	at, w := f.CopyR(line), f.CopyR(kw)
	f.Label("column")
	v := f.Load(at, 0)
	if r.stride == 2 {
		// The element behind the last window may be behind the end of x.
		v = f.Evens(v, f.Rotate(f.Load(at, 4*(neon.Lanes-1))))
	}
	r.element(v)
	f.Inc(4, at)
	f.Count(w, "column")
	r.nextRow()
	f.AddR(width, line)
	f.Count(h, "row")

	r.end()
	f.Inc(-neon.Lanes, n)
	f.If(n, "LE", 0, "done")
	for _, p := range places {
		f.Inc(neon.Lanes<<p.shift, p.at)
	}
	f.If(n, "GE", neon.Lanes, "windows")
	over := f.CopyR(n) // the windows left, less those of a vector
	f.Inc(-neon.Lanes, over)
	for _, p := range places {
		f.AddShifted(over, p.shift, p.at)
	}
	f.Set(neon.Lanes, n)
	f.Jump("windows")
	f.Label("done")
	f.Ret()
}

func maxRow(file *neon.File, stride int) {
	file.Func(fmt.Sprintf("maxRow%dNEON", stride), "(x []float32, width, kh, kw, first int, y []float32, mask []int32)",
		fmt.Sprintf("is maxRowGeneric with stride %d, for at least %d windows.", stride, neon.Lanes), func(f *neon.Func) {
			y, mask, first := f.Arg("y"), f.Arg("mask"), f.Arg("first")
			order := f.Words([neon.Lanes]uint32{0, uint32(stride), uint32(2 * stride), uint32(3 * stride)})
			gap := f.Arg("width")
			f.SubR(f.Arg("kw"), gap)
			skip := f.Repeat(gap) // from the end of one row of the window to the next
			one := f.Bits(1)
			best, where, index := f.New(), f.New(), f.New()
			row{
				stride: stride, places: []place{{y, 2}, {mask, 2}, {first, stride - 1}},
				begin: func() {
					f.CopyTo(f.Float(-math.MaxFloat32), best)
					f.CopyTo(f.Bits(math.MaxUint32), where)
					f.CopyTo(f.AddInt(f.Repeat(first), order), index)
				},
				element: func(v V) {
					larger := f.Greater(v, best)
					f.Blend(larger, v, best)
					f.Blend(larger, index, where)
					f.CopyTo(f.AddInt(index, one), index)
				},
				nextRow: func() { f.CopyTo(f.AddInt(index, skip), index) },
				end: func() {
					f.Store(best, y, 0)
					f.Store(where, mask, 0)
				},
			}.write(f)
		})
}

func aveRow(file *neon.File, stride int) {
	file.Func(fmt.Sprintf("aveRow%dNEON", stride), "(x []float32, width, kh, kw int, size float32, y []float32)",
		fmt.Sprintf("is aveRowGeneric with stride %d, for at least %d windows.", stride, neon.Lanes), func(f *neon.Func) {
			y, size, sum := f.Arg("y"), f.Broadcast("size"), f.New()
			row{
				stride: stride, places: []place{{y, 2}},
				begin:   func() { f.Clear(sum) },
				element: func(v V) { f.AddTo(sum, v) },
				nextRow: func() {},
				end:     func() { f.Store(f.Div(sum, size), y, 0) },
			}.write(f)
		})
}
