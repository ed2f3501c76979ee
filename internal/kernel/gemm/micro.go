package gemm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// TileRows is the number of rows that every TileFunc computes at a time. Rows that are left over
// take less time than a whole tile, but more time each: they load as many vectors of the panel.
const TileRows = 6

// A TileFunc is a micro-kernel. It multiplies rows of a matrix, which two tables of
// offsets describe, by a packed panel of w columns:
//
//	c[i*ldc+j] = init[i*ldi+j] + Σₚ x[rows[i]+off[p]] * b[p*w+j]
//
// for i below n, j below w and p below k; a nil init stands for zeros. Thanks to
// the tables, one kernel serves convolutions, where one table has the offsets of the
// output pixels in the padded image and the other those of the kernel's taps, and
// products whose A stays as it is in memory, where off counts up.
type TileFunc func(n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int)

// A BlockFunc is a micro-kernel for products of packed matrices. It multiplies a strip of
// rows of A by a panel of w columns of B:
//
//	c[i*ldc+j] = Σₚ a[p*rows+i] * b[p*w+j]
//
// for i below its number of rows, j below w and p below k, which is above 0. The first
// summand is bias[i], unless bias is nil, or c[i*ldc+j], if add is set. Meanwhile it brings
// k lines of memory, at next and then always step elements further on, into the L2 cache.
type BlockFunc func(k int, a, b, next *float32, step int, bias, c *float32, ldc int, add bool)

// A ThinFunc is a BlockFunc for a panel that is part of a matrix, of full width. It adds to c:
//
//	c[i*ldc+j] += Σₚ a[p*rows+i] * b[p*ldb+j]
//
// Meanwhile it brings the panel that begins ahead elements behind b, and the elements to the
// right of c, to the L2 cache and, unless to is nil, copies b to a packed panel.
type ThinFunc func(k int, a, b *float32, ldb, ahead int, to, c *float32, ldc int)

// A LineFunc is a micro-kernel whose vectors are parts of lines of x, in place, and
// whose rows are coefficients. For the vectors v of some blocks, which start at from[v]
// in x and at to[v] in c, it computes
//
//	c[i*ldc+to[v]+l] = init[i] + Σₚ w[off[2p+1]+i] * x[from[v]+off[2p]+l]
//
// for each of its rows i and the lanes l; a nil init stands for the elements of c. A
// TileFunc needs packed vectors and leaves the result transposed. A LineFunc reads and
// writes anything that is stored in lines: the pixels of a plane, the elements of a
// row, the images of a batch. Vectors may overlap: computing an element twice gives the
// same result.
type LineFunc func(blocks, k int, x *float32, from, off *int32, w, init, c *float32, to *int32, ldc int)

// A FewFunc is a micro-kernel for products with few rows. It multiplies its n rows of x, which
// are packed, by its rows of y, which a table of offsets describes, over k elements, a multiple
// of the lanes:
//
//	c[j*n+i] += Σₚ x[(p/lanes*n+i)*lanes+p%lanes] * y[cols[j]+p]
//
// Meanwhile it brings y from ahead elements further on to the second cache. The vectors of x lie
// together: rows that are a multiple of 4 KB apart, such as those of y may be, would share the
// sets of the first cache.
type FewFunc func(k int, x, y *float32, cols *int32, ahead int, c *float32)

// A fewTile is a FewFunc, the number of its rows of x, and that of its rows of y, which divides
// fewPiece.
type fewTile struct {
	rows, cols int
	multiply   FewFunc
}

// A DotsFunc is a micro-kernel of dot products. It multiplies its n rows of x
// by its rows of y, all given by tables of offsets, over k elements, a multiple of the
// lanes:
//
//	c[j*n+i] += Σₚ x[rows[i]+p] * y[cols[j]+p]
type DotsFunc func(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32)

// DotRows is the number of rows of x of Micro.Dots.
const DotRows = 4

// TallRows is the number of rows of x of Micro.Tall.
const TallRows = 12

// A TransposeFunc transposes blocks of (lanes,lanes) elements:
// dst[j*ldd+i] = src[i*lds+j] for i and j below lanes. From one block to the next,
// src advances by nextSrc and dst by nextDst elements.
type TransposeFunc func(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst int)

// An AheadFunc is a TransposeFunc that also brings the elements ahead of those it reads, by a
// distance in src, to the second cache.
type AheadFunc func(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst, ahead int)

// A Micro is the set of micro-kernels of a level of instructions.
type Micro struct {
	Lanes     int      // of a vector, the columns of the narrowest panel
	Tall      DotsFunc // of TallRows rows of x and one of y
	Dots      DotsFunc // of DotRows rows of x and DotCols of y
	DotCols   int
	Transpose TransposeFunc // nil if there is none
	Ahead     AheadFunc     // nil if there is no Transpose
	Stream    TransposeFunc // the same past the caches, if lanes fill a line of memory; nil if there is none

	shorter  *Micro        // whose vectors are shorter, for what does not fill one; nil if there is none
	tiles    []TileFunc    // tiles[v-1] takes panels of v*Lanes columns
	blocks   [][]BlockFunc // blocks[r-1][v-1] takes strips of r rows and panels of v*Lanes columns
	thin     []ThinFunc    // thin[r-1] takes strips of r rows
	lines    [][]LineFunc  // lines[r-1][v-1] takes panels of r rows and blocks of v vectors
	few      []fewTile     // of one, two and four rows of x
	copyRows func(rows, n int, src *float32, lds int, dst *float32, ldd int)
	fmaLoop  func(n int) // multiplies and adds n times on every accumulator
	fmaFlops int         // floating-point operations per iteration of fmaLoop
}

// Active returns the micro-kernels in use.
func Active() *Micro { return micros[cpu.Active()] }

// Panel returns the number of columns of a full panel.
func (u *Micro) Panel() int { return len(u.tiles) * u.Lanes }

// Width returns the number of columns of the panel that holds the last n columns
// of a matrix, or of a full panel if n is more.
func (u *Micro) Width(n int) int { return min(u.Panel(), RoundUp(n, u.Lanes)) }

// Tile returns the micro-kernel for panels of w columns.
func (u *Micro) Tile(w int) TileFunc { return u.tiles[w/u.Lanes-1] }

// LineRows returns the number of rows of the largest LineFunc.
func (u *Micro) LineRows() int { return len(u.lines) }

// LineVectors returns the number of vectors of a block of the largest LineFunc.
func (u *Micro) LineVectors() int { return len(u.lines[0]) }

// A LinePanel is some rows of a LineFunc.
type LinePanel struct{ First, Rows int }

// LinePanels splits n rows into panels of nearly equal size, which replace those in
// list.
func (u *Micro) LinePanels(list []LinePanel, n int) []LinePanel {
	list = list[:0]
	for left := CeilDiv(n, u.LineRows()); left > 0; left-- {
		first := 0
		if last := len(list) - 1; last >= 0 {
			first = list[last].First + list[last].Rows
		}
		list = append(list, LinePanel{first, CeilDiv(n-first, left)})
	}
	return list
}

// Line computes what a LineFunc of the given rows computes, for all vectors whose
// offsets are in from and to.
func (u *Micro) Line(rows, k int, x *float32, from, off []int32, w, init, c *float32, to []int32, ldc int) {
	widest := u.LineVectors()
	whole := len(from) / widest * widest
	if whole > 0 {
		u.lines[rows-1][widest-1](whole/widest, k, x, &from[0], &off[0], w, init, c, &to[0], ldc)
	}
	if rest := len(from) - whole; rest > 0 {
		u.lines[rows-1][rest-1](1, k, x, &from[whole], &off[0], w, init, c, &to[whole], ldc)
	}
}

// TransposeTo sets dst[j*ldd+i] = src[i*lds+j] for i below rows, j below cols.
func (u *Micro) TransposeTo(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	if rows == 0 || cols == 0 {
		return
	}
	_, _ = src[(rows-1)*lds+cols-1], dst[(cols-1)*ldd+rows-1]
	for u.shorter != nil && min(rows, cols) < u.Lanes {
		u = u.shorter
	}
	if u.Transpose == nil || min(rows, cols) < u.Lanes {
		TransposeGeneric(rows, cols, src, lds, dst, ldd)
		return
	}
	n := u.Lanes
	// The last blocks of rows and columns may overlap the ones before. Of the matrices, the
	// one whose rows are farther apart is traversed in order.
	lastRow, lastCol := rows-n, cols-n
	if lds > ldd {
		for i := 0; i < rows; i += n {
			i := min(i, lastRow)
			u.Transpose(cols/n, &src[i*lds], lds, n, &dst[i], ldd, n*ldd)
			if cols%n != 0 {
				u.Transpose(1, &src[i*lds+lastCol], lds, 0, &dst[lastCol*ldd+i], ldd, 0)
			}
		}
		return
	}
	for j := 0; j < cols; j += n {
		j := min(j, lastCol)
		u.Transpose(rows/n, &src[j], lds, n*lds, &dst[j*ldd], ldd, n)
		if rows%n != 0 {
			u.Transpose(1, &src[lastRow*lds+j], lds, 0, &dst[j*ldd+lastRow], ldd, 0)
		}
	}
}

// TransposeAhead is TransposeTo for rows that come from memory: those that follow come to the
// second cache meanwhile, and at the end the first ones at element next of src, which may be
// beyond its end.
func (u *Micro) TransposeAhead(rows, cols int, src []float32, lds int, dst []float32, ldd, next int) {
	n := u.Lanes
	if u.Ahead == nil || min(rows, cols) < n {
		u.TransposeTo(rows, cols, src, lds, dst, ldd)
		return
	}
	_, _ = src[(rows-1)*lds+cols-1], dst[(cols-1)*ldd+rows-1]
	for i := 0; i < rows; i += n {
		i := min(i, rows-n) // the last block may overlap the one before
		ahead := n * lds
		if i+n == rows {
			ahead = next - i*lds
		}
		u.Ahead(cols/n, &src[i*lds], lds, n, &dst[i], ldd, n*ldd, ahead)
		if last := cols - n; cols%n != 0 {
			u.Transpose(1, &src[i*lds+last], lds, 0, &dst[last*ldd+i], ldd, 0)
		}
	}
}

// TransposeGeneric is TransposeTo in plain Go.
func TransposeGeneric(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	for i := range rows {
		at := i
		for _, v := range src[i*lds : i*lds+cols] {
			dst[at] = v
			at += ldd
		}
	}
}

// CopyTo sets dst[i*ldd+j] = src[i*lds+j] for i below rows, j below n.
func (u *Micro) CopyTo(rows, n int, src []float32, lds int, dst []float32, ldd int) {
	if rows == 0 || n == 0 {
		return
	}
	if lds == n && ldd == n || rows == 1 {
		copy(dst[:rows*n], src[:rows*n])
		return
	}
	_, _ = src[(rows-1)*lds+n-1], dst[(rows-1)*ldd+n-1]
	u.copyRows(rows, n, &src[0], lds, &dst[0], ldd)
}

// CeilDiv returns a/b, rounded up.
func CeilDiv(a, b int) int { return (a + b - 1) / b }

// RoundUp returns n, rounded up to a multiple of unit.
func RoundUp(n, unit int) int { return CeilDiv(n, unit) * unit }
