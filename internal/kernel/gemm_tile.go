package kernel

// tileRows is the number of rows of a tile of every micro-kernel.
const tileRows = 6

// A tileFunc is a micro-kernel. It multiplies rows of a matrix that is found
// through two tables of offsets by a packed panel of w columns:
//
//	c[i*ldc+j] = init[i*ldi+j] + Σₚ x[rows[i]+off[p]] * b[p*w+j]
//
// for i below 6*tiles, j below w and p below k; a nil init counts as zeros.
// The tables make one kernel do for all products: off counts up for a matrix
// in memory, and for a convolution one table holds the places of the output
// pixels in the padded image and the other those of the kernel's taps.
type tileFunc func(tiles, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int)

// A transposeFunc transposes blocks of lanes by lanes numbers:
// dst[j*ldd+i] = src[i*lds+j] for i and j below lanes. From one block to the
// next, src moves on by nextSrc and dst by nextDst numbers.
type transposeFunc func(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst int)

// micro is what a level offers to matrix products.
type micro struct {
	lanes     int        // columns of the narrowest panel: one vector
	tiles     []tileFunc // tiles[v-1] takes panels of v*lanes columns
	dots      dotsFunc
	dotCols   int           // rows of y of dot, a divisor of dotPiece
	tall      dotsFunc      // tallRows rows of x and one of y
	lines     [][]lineFunc  // lines[r-1][v-1] takes panels of r rows and blocks of v vectors
	transpose transposeFunc // nil: there is none
	stream    transposeFunc // the same past the caches, for lanes that are lines of memory; nil: there is none
	copyRows  func(rows, n int, src *float32, lds int, dst *float32, ldd int)
	winograd  [3]winogradTransforms // F(2x2,3x3), F(4x4,3x3) and F(2x2,5x5)
	fmaLoop   func(n int)           // multiplies and adds n times on every accumulator
	fmaFlops  int                   // floating point operations of one turn of fmaLoop
}

// micros is indexed by level.
var micros = [...]micro{
	levelGeneric: {lanes: 4, tiles: []tileFunc{tileGeneric4, tileGeneric8}, dots: dotsGeneric, dotCols: dotsGenericCols, tall: dotsTallGeneric, lines: linesGeneric(), copyRows: copyRowsGeneric, winograd: winogradGeneric, fmaLoop: fmaLoopGeneric, fmaFlops: 16},
	levelAVX2:    microAVX2,
	levelAVX512:  microAVX512,
}

// panel returns the number of columns of a full panel.
func (u *micro) panel() int { return len(u.tiles) * u.lanes }

// width returns the number of columns of the panel that holds the last n
// columns of a matrix, or a full panel.
func (u *micro) width(n int) int {
	return min(u.panel(), (n+u.lanes-1)/u.lanes*u.lanes)
}

// tile returns the micro-kernel for panels of w columns.
func (u *micro) tile(w int) tileFunc { return u.tiles[w/u.lanes-1] }

// transposeTo sets dst[j*ldd+i] = src[i*lds+j] for i below rows, j below cols.
func (u *micro) transposeTo(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	if rows == 0 || cols == 0 {
		return
	}
	_, _ = src[(rows-1)*lds+cols-1], dst[(cols-1)*ldd+rows-1]
	fullRows, fullCols := 0, 0 // of these the blocks are done
	if n := u.lanes; u.transpose != nil && rows >= n && cols >= n {
		fullRows, fullCols = rows/n*n, cols/n*n
		// The matrix whose rows are farther apart is passed through in order.
		if lds > ldd {
			for i := 0; i < fullRows; i += n {
				u.transpose(cols/n, &src[i*lds], lds, n, &dst[i], ldd, n*ldd)
			}
		} else {
			for j := 0; j < fullCols; j += n {
				u.transpose(rows/n, &src[j], lds, n*lds, &dst[j*ldd], ldd, n)
			}
		}
	}
	if fullCols < cols && fullRows > 0 {
		transposeGeneric(fullRows, cols-fullCols, src[fullCols:], lds, dst[fullCols*ldd:], ldd)
	}
	if fullRows < rows {
		transposeGeneric(rows-fullRows, cols, src[fullRows*lds:], lds, dst[fullRows:], ldd)
	}
}

// copyTo sets dst[i*ldd+j] = src[i*lds+j] for i below rows, j below n.
func (u *micro) copyTo(rows, n int, src []float32, lds int, dst []float32, ldd int) {
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
