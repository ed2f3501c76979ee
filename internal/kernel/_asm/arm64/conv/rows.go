package conv

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
)

const (
	// rowVectors is the number of vectors of a strip of rows.
	rowVectors = 2

	// rowSize is the size of kernels: the registers hold its weights, or their sums.
	rowSize = 3
)

// wide is a vector of a strip.
type wide [rowVectors]V

func newWide(f *neon.Func) (w wide) {
	for i := range w {
		w[i] = f.New()
	}
	return w
}

func loadWide(f *neon.Func, at R, offset int) (w wide) {
	for i := range w {
		w[i] = f.Load(at, offset+i*neon.Bytes)
	}
	return w
}

func storeWide(f *neon.Func, w wide, at R, offset int) {
	for i := range w {
		f.Store(w[i], at, offset+i*neon.Bytes)
	}
}

func moveWide(f *neon.Func, from, to wide) {
	for i := range to {
		f.CopyTo(from[i], to[i])
	}
}

// stripOf begins a strip: it returns pointers to its first elements, for each column of the kernel in x.
func stripOf(f *neon.Func, at, cols R, x, y string) (px [rowSize]R, py R) {
	o := f.NextOffset(at)
	first := f.At(f.Arg(x), o, 2)
	for i := range px {
		px[i] = f.At(first, f.Offset(cols, i), 2)
	}
	return px, f.At(f.Arg(y), o, 2)
}

// fetch brings some strips' width of memory to the second cache, and has the pointer follow.
func fetch(f *neon.Func, next R, strips int) {
	const bytes = rowVectors * neon.Bytes
	for i := 0; i < strips*bytes; i += 64 {
		f.Prefetch(next, i, 2)
	}
	f.Inc(strips*bytes, next)
}

// rows writes the convolution of rows of a plane.
func rows(file *neon.File, stride int) {
	signature := "(rows, strips int, at *int32, x *float32, ldx int, cols *int32, w, bias, y *float32, ldy int, next *float32)"
	file.Func(fmt.Sprintf("rows%dStep%dNEON", rowSize, stride), signature, "is a rowsFunc.", func(f *neon.Func) {
		strips, at, cols, next := f.Arg("strips"), f.Arg("at"), f.Arg("cols"), f.Arg("next")
		ldx, ldy := f.Scaled("ldx"), f.Scaled("ldy")
		w := f.Arg("w")
		var weights []V
		for i := range rowSize * rowSize {
			weights = append(weights, f.Lane(f.LoadOne(w, 4*i), 0))
		}
		bias := f.Lane(f.LoadOne(f.Arg("bias"), 0), 0)
		var sums []wide // of the next rows of y
		for range (rowSize-1)/stride + 1 {
			sums = append(sums, newWide(f))
		}

		f.Label("strip")
		x, y := stripOf(f, at, cols, "x", "y")
		rows := f.Arg("rows")
		// meet adds row i of x, counted from the first that sums[0] needs.
		meet := func(i int) {
			if i%stride == 0 {
				for _, s := range sums[i/stride] {
					f.CopyTo(bias, s)
				}
			}
			for kx := range rowSize {
				v := loadWide(f, x[kx], 0)
				f.AddR(ldx, x[kx])
				for out, sum := range sums {
					if ky := i - out*stride; ky >= 0 {
						for k := range v {
							f.Fma(sum[k], v[k], weights[ky*rowSize+kx])
						}
					}
				}
			}
		}
		for i := range rowSize - stride {
			meet(i)
		}
		f.Label("row")
		fetch(f, next, stride*stride)
		for i := rowSize - stride; i < rowSize; i++ {
			meet(i)
		}
		storeWide(f, sums[0], y, 0)
		for i := range len(sums) - 1 {
			moveWide(f, sums[i+1], sums[i])
		}
		f.AddR(ldy, y)
		f.Count(rows, "row")
		f.Count(strips, "strip")
		f.Ret()
	})
}

// rowsGrad writes the gradient of the weights of such a convolution.
func rowsGrad(file *neon.File, stride int) {
	const bytes = rowVectors * neon.Bytes
	signature := "(rows, strips int, at *int32, masks *uint32, x *float32, ldx int, cols *int32, dy *float32, ldy int, sums, next, nextDY *float32)"
	file.Func(fmt.Sprintf("rowsGrad%dStep%dNEON", rowSize, stride), signature, "is a rowsGradFunc.", func(f *neon.Func) {
		strips, at, cols, masks := f.Arg("strips"), f.Arg("at"), f.Arg("cols"), f.Arg("masks")
		ldx, ldy := f.Scaled("ldx"), f.Scaled("ldy")
		next, nextDY, total := f.Arg("next"), f.Arg("nextDY"), f.Arg("sums")
		var sums []wide
		for i := range rowSize * rowSize {
			sums = append(sums, loadWide(f, total, i*bytes))
		}
		var before []wide // before[m] is the m-th row of dy before the next one
		for range (rowSize-1)/stride + 1 {
			before = append(before, newWide(f))
		}

		f.Label("strip")
		x, dy := stripOf(f, at, cols, "x", "dy")
		rows, mask := f.Arg("rows"), loadWide(f, masks, 0)
		f.Inc(bytes, masks)
		for _, b := range before[1:] {
			for _, v := range b {
				f.Clear(v)
			}
		}
		// meet adds row i of x, counted from the first that before[0] needs, for the rows from first on.
		meet := func(i, first int) {
			for kx := range rowSize {
				v := loadWide(f, x[kx], 0)
				f.AddR(ldx, x[kx])
				for m := first; m < len(before); m++ {
					if ky := i + m*stride; ky < rowSize {
						for k := range v {
							f.Fma(sums[ky*rowSize+kx][k], v[k], before[m][k])
						}
					}
				}
			}
		}
		f.Label("row")
		fetch(f, next, stride*stride)
		fetch(f, nextDY, 1)
		for k, v := range loadWide(f, dy, 0) {
			f.CopyTo(f.And(v, mask[k]), before[0][k])
		}
		for i := range stride {
			meet(i, 0)
		}
		for m := len(before) - 1; m > 0; m-- {
			moveWide(f, before[m-1], before[m])
		}
		f.AddR(ldy, dy)
		f.Count(rows, "row")
		for i := range rowSize - stride {
			meet(i, 1)
		}
		f.Count(strips, "strip")
		for i, s := range sums {
			storeWide(f, s, total, i*bytes)
		}
		f.Ret()
	})
}

// rowsPhases writes the gradient of the data of a kernel of 3x3 with strides of 2.
func rowsPhases(file *neon.File) {
	signature := "(rows, strips int, at *int32, x *float32, ldx int, w, y *float32, ldy int, next *float32)"
	file.Func("rowsPhasesNEON", signature, "is a rowsPhasesFunc.", func(f *neon.Func) {
		strips, at, next, w := f.Arg("strips"), f.Arg("at"), f.Arg("next"), f.Arg("w")
		ldx, ldy := f.Scaled("ldx"), f.Scaled("ldy")
		var weights [rowSize][rowSize]V
		for ky := range weights {
			for kx := range weights[ky] {
				weights[ky][kx] = f.Lane(f.LoadOne(w, 4*(rowSize*ky+kx)), 0)
			}
		}
		even, odd := newWide(f), newWide(f) // columns of the row of y below that of the iteration

		f.Label("strip")
		o := f.NextOffset(at)
		x, y, rows := f.At(f.Arg("x"), o, 2), f.At(f.Arg("y"), o, 3), f.Arg("rows")
		load := func() (here, right wide) {
			here, right = loadWide(f, x, 0), loadWide(f, x, 4)
			f.SubR(ldx, x)
			return here, right
		}
		add := func(ky int, here, right, even, odd wide) {
			for k := range here {
				f.Fma(even[k], here[k], weights[ky][1])
				f.Fma(odd[k], right[k], weights[ky][0])
				f.Fma(odd[k], here[k], weights[ky][2])
			}
		}
		clear := func(w wide) {
			for _, v := range w {
				f.Clear(v)
			}
		}
		store := func(even, odd wide, to R) {
			for k := range even {
				f.Store(f.ZipLow(even[k], odd[k]), to, 2*k*neon.Bytes)
				f.Store(f.ZipHigh(even[k], odd[k]), to, (2*k+1)*neon.Bytes)
			}
		}
		clear(even)
		clear(odd)
		here, right := load()
		add(0, here, right, even, odd)
		f.Label("row")
		fetch(f, next, 1)
		here, right = load()
		add(2, here, right, even, odd)
		below := f.CopyR(y)
		f.AddR(ldy, below)
		store(even, odd, below)
		a, b := newWide(f), newWide(f)
		clear(a)
		clear(b)
		add(1, here, right, a, b)
		store(a, b, y)
		clear(even)
		clear(odd)
		add(0, here, right, even, odd)
		f.SubR(ldy, y)
		f.SubR(ldy, y)
		f.Count(rows, "row")
		f.Count(strips, "strip")
		f.Ret()
	})
}
