package gemm

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// generic holds the micro-kernels in plain Go.
var generic = Micro{
	Lanes:    4,
	Tall:     dotsTallGeneric,
	Dots:     dotsGeneric,
	DotCols:  dotsGenericCols,
	tiles:    []TileFunc{tileGeneric4, tileGeneric8},
	blocks:   blocksGeneric(),
	thin:     thinGeneric(),
	lines:    linesGeneric(),
	few:      []fewTile{fewGeneric(1), fewGeneric(2), fewGeneric(4)},
	copyRows: copyRowsGeneric,
	fmaLoop:  fmaLoopGeneric,
	fmaFlops: 16,
}

// tileGeneric8 is the TileFunc for panels of 8 columns.
func tileGeneric8(n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	tileGeneric(8, n, k, x, rows, off, b, init, ldi, c, ldc)
}

// tileGeneric4 is the TileFunc for panels of 4 columns.
func tileGeneric4(n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	tileGeneric(4, n, k, x, rows, off, b, init, ldi, c, ldc)
}

// tileGeneric is the TileFunc for panels of w columns, a multiple of 4.
func tileGeneric(w, n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int) {
	offs := unsafe.Slice(off, k)
	panel := unsafe.Slice(b, k*w)
	for i, row := range unsafe.Slice(rows, n) {
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

// blocksGeneric returns BlockFuncs of up to 4 rows and 2 vectors of 4 lanes.
func blocksGeneric() [][]BlockFunc {
	var list [][]BlockFunc
	for rows := 1; rows <= 4; rows++ {
		of := func(w int) BlockFunc {
			return func(k int, a, b, _ *float32, _ int, bias, c *float32, ldc int, add bool) {
				blockGeneric(rows, w, k, a, b, w, bias, c, ldc, add)
			}
		}
		list = append(list, []BlockFunc{of(4), of(8)})
	}
	return list
}

// blockGeneric is the BlockFunc of some rows and of panels of w columns, a multiple of 4, whose
// rows are ldb apart.
func blockGeneric(rows, w, k int, a, b *float32, ldb int, bias, c *float32, ldc int, add bool) {
	strip, panel := unsafe.Slice(a, k*rows), unsafe.Slice(b, (k-1)*ldb+w)
	for i := range rows {
		for j := 0; j < w; j += 4 {
			sum := (*[4]float32)(unsafe.Add(unsafe.Pointer(c), 4*(i*ldc+j)))
			var s0, s1, s2, s3 float32
			switch {
			case bias != nil:
				s0 = *(*float32)(unsafe.Add(unsafe.Pointer(bias), 4*i))
				s1, s2, s3 = s0, s0, s0
			case add:
				s0, s1, s2, s3 = sum[0], sum[1], sum[2], sum[3]
			}
			at := j
			for p := i; p < len(strip); p += rows {
				v, q := strip[p], panel[at:at+4:at+4]
				s0 += v * q[0]
				s1 += v * q[1]
				s2 += v * q[2]
				s3 += v * q[3]
				at += ldb
			}
			*sum = [4]float32{s0, s1, s2, s3}
		}
	}
}

// thinGeneric returns ThinFuncs of up to 4 rows and panels of 8 columns.
func thinGeneric() []ThinFunc {
	var list []ThinFunc
	for rows := 1; rows <= 4; rows++ {
		list = append(list, func(k int, a, b *float32, ldb, _ int, to, c *float32, ldc int) {
			if to != nil {
				copyRowsGeneric(k, 8, b, ldb, to, 8)
			}
			blockGeneric(rows, 8, k, a, b, ldb, nil, c, ldc, true)
		})
	}
	return list
}

// fewGeneric returns the FewFunc of some rows of x and four of y.
func fewGeneric(rows int) fewTile {
	return fewTile{rows, 4, func(k int, x, y *float32, cols *int32, _ int, c *float32) {
		at, sums := unsafe.Slice(cols, 4), unsafe.Slice(c, 4*rows)
		y0, y1, y2, y3 := rowAt(y, at[0], k), rowAt(y, at[1], k), rowAt(y, at[2], k), rowAt(y, at[3], k)
		packed := unsafe.Slice(x, k*rows)
		for i := range rows {
			var s0, s1, s2, s3 float32
			for p := range k {
				v := packed[(p/4*rows+i)*4+p%4]
				s0 += v * y0[p]
				s1 += v * y1[p]
				s2 += v * y2[p]
				s3 += v * y3[p]
			}
			sums[i] += s0
			sums[rows+i] += s1
			sums[2*rows+i] += s2
			sums[3*rows+i] += s3
		}
	}}
}

// dotsGenericCols is the number of rows of y of dotsGeneric.
const dotsGenericCols = 2

// dotsGeneric is the DotsFunc of DotRows rows of x and 2 of y.
func dotsGeneric(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32) {
	sums := unsafe.Slice(c, dotsGenericCols*DotRows)
	for j, at := range unsafe.Slice(cols, dotsGenericCols) {
		fourDots(k, x, rows, rowAt(y, at, k), sums[j*DotRows:])
	}
}

// fourDots adds the products of y with four rows of x, which a table of offsets describes,
// to sums.
func fourDots(k int, x *float32, rows *int32, y, sums []float32) {
	at := unsafe.Slice(rows, 4)
	x0, x1, x2, x3 := rowAt(x, at[0], k), rowAt(x, at[1], k), rowAt(x, at[2], k), rowAt(x, at[3], k)
	var s0, s1, s2, s3 float32
	for p, v := range y {
		s0 += x0[p] * v
		s1 += x1[p] * v
		s2 += x2[p] * v
		s3 += x3[p] * v
	}
	_ = sums[3]
	sums[0] += s0
	sums[1] += s1
	sums[2] += s2
	sums[3] += s3
}

// rowAt returns the k elements that begin at elements behind base.
func rowAt(base *float32, at int32, k int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(base), 4*int(at))), k)
}

// dotsTallGeneric is the DotsFunc of TallRows rows of x and one of y.
func dotsTallGeneric(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32) {
	for i, at := range unsafe.Slice(rows, TallRows) {
		xs := rowAt(x, at, k)
		var sum float32
		for p, v := range rowAt(y, *cols, k) {
			sum += xs[p] * v
		}
		*(*float32)(unsafe.Add(unsafe.Pointer(c), 4*i)) += sum
	}
}

// linesGeneric returns LineFuncs of up to 4 rows and one vector of 4 lanes.
func linesGeneric() [][]LineFunc {
	var list [][]LineFunc
	for rows := 1; rows <= 4; rows++ {
		list = append(list, []LineFunc{func(blocks, k int, x *float32, from, off *int32, w, init, c *float32, to *int32, ldc int) {
			lineGeneric(rows, blocks, k, x, from, off, w, init, c, to, ldc)
		}})
	}
	return list
}

// lineGeneric is the LineFunc for panels of some rows and blocks of one vector.
func lineGeneric(rows, blocks, k int, x *float32, from, off *int32, w, init, c *float32, to *int32, ldc int) {
	at := func(base *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(base), 4*i)) }
	offs := unsafe.Slice(off, 2*k)
	dst := unsafe.Slice(to, blocks)
	for v, start := range unsafe.Slice(from, blocks) {
		line := at(x, int(start))
		for i := range rows {
			sum := (*[4]float32)(unsafe.Pointer(at(c, i*ldc+int(dst[v]))))
			s := *sum
			if init != nil {
				f := *at(init, i)
				s = [4]float32{f, f, f, f}
			}
			s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
			for p := 0; p < len(offs); p += 2 {
				q := (*[4]float32)(unsafe.Pointer(at(line, int(offs[p]))))
				f := *at(w, int(offs[p+1])+i)
				s0 += f * q[0]
				s1 += f * q[1]
				s2 += f * q[2]
				s3 += f * q[3]
			}
			*sum = [4]float32{s0, s1, s2, s3}
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
