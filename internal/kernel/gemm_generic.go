package kernel

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// tileGeneric8 is the tileFunc for panels of 8 columns.
func tileGeneric8(tiles, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	tileGeneric(8, tiles, k, x, rows, off, b, init, ldi, c, ldc)
}

// tileGeneric4 is the tileFunc for panels of 4 columns.
func tileGeneric4(tiles, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	tileGeneric(4, tiles, k, x, rows, off, b, init, ldi, c, ldc)
}

// tileGeneric is the tileFunc for panels of w columns, a multiple of 4.
func tileGeneric(w, tiles, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	offs := unsafe.Slice(off, k)
	panel := unsafe.Slice(b, k*w)
	for i, row := range unsafe.Slice(rows, tiles*tileRows) {
		xi := unsafe.Add(unsafe.Pointer(x), 4*int(row))
		for j := 0; j < w; j += 4 {
			var s [4]float32
			if init != nil {
				s = *(*[4]float32)(unsafe.Add(unsafe.Pointer(init), 4*(i*ldi+j)))
			}
			s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
			at := j
			for _, o := range offs {
				v := *(*float32)(unsafe.Add(xi, 4*int(o)))
				q := panel[at : at+4 : at+4]
				s0 += v * q[0]
				s1 += v * q[1]
				s2 += v * q[2]
				s3 += v * q[3]
				at += w
			}
			*(*[4]float32)(unsafe.Add(unsafe.Pointer(c), 4*(i*ldc+j))) = [4]float32{s0, s1, s2, s3}
		}
	}
}

// transposeGeneric sets dst[j*ldd+i] = src[i*lds+j] for i below rows and j
// below cols.
func transposeGeneric(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	for i := range rows {
		at := i
		for _, v := range src[i*lds : i*lds+cols] {
			dst[at] = v
			at += ldd
		}
	}
}

// copyRowsGeneric sets dst[i*ldd+j] = src[i*lds+j] for i below rows, j below n.
func copyRowsGeneric(rows, n int, src *float32, lds int, dst *float32, ldd int) {
	s, d := unsafe.Slice(src, (rows-1)*lds+n), unsafe.Slice(dst, (rows-1)*ldd+n)
	for i := range rows {
		copy(d[i*ldd:][:n], s[i*lds:])
	}
}

// fmaSink keeps the result of fmaLoopGeneric, which threads run at the same time.
var fmaSink atomic.Uint32

// fmaLoopGeneric multiplies and adds n times on eight variables.
func fmaLoopGeneric(n int) {
	var a, b, c, d, e, f, g, h float32
	x := math.Float32frombits(fmaSink.Load())
	y := x
	for range n {
		a = a*x + y
		b = b*x + y
		c = c*x + y
		d = d*x + y
		e = e*x + y
		f = f*x + y
		g = g*x + y
		h = h*x + y
	}
	fmaSink.Store(math.Float32bits(a + b + c + d + e + f + g + h))
}
