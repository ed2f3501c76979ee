package kernel

import (
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
