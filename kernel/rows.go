package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// rowCopy are the arguments of a loop over all elements of the rows to copy.
type rowCopy struct {
	width    int
	x, y     []float32
	ldx, ldy int
}

var copyRowsLoop = parallel.Loop[rowCopy]{Body: func(c *rowCopy, _, from, to int) {
	row, column := from/c.width, from%c.width
	for from < to {
		n := min(c.width-column, to-from)
		copy(c.y[row*c.ldy+column:][:n], c.x[row*c.ldx+column:][:n])
		from += n
		row, column = row+1, 0
	}
}}

// CopyRows copies rows of width elements from x to y. The rows start ldx elements
// apart in x and ldy apart in y.
func CopyRows(p *parallel.Pool, rows, width int, x []float32, ldx int, y []float32, ldy int) {
	copyRowsLoop.Run(p, rows*width, vec.Block, rowCopy{width, x, y, ldx, ldy})
}

// rowNorm are the arguments of a loop over rows.
type rowNorm struct {
	width int
	eps   float64
	x, y  []float32
}

var normalizeRowsLoop = parallel.Loop[rowNorm]{Body: func(a *rowNorm, _, from, to int) {
	for i := from; i < to; i++ {
		x, y := a.x[i*a.width:(i+1)*a.width], a.y[i*a.width:(i+1)*a.width]
		square, scale := SumSq(nil, x)+a.eps, float32(0)
		if square >= 0x1p-252 { // else float32 cannot hold the inverse of the root
			scale = float32(1 / math.Sqrt(square))
		}
		Scale(nil, scale, x, y)
	}
}}

// NormalizeRows scales each row of x, of shape (rows,width), to length 1: y is x /
// √(Σx² + eps), or 0 where the root is below 2⁻¹²⁶. y may be x.
func NormalizeRows(p *parallel.Pool, rows, width int, eps float64, x, y []float32) {
	normalizeRowsLoop.Run(p, rows, rowsPerPart(width), rowNorm{width, eps, x, y})
}
