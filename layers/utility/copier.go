package utility

import (
	"github.com/gocaffe/gocaffe/parallel"
)

// partSize is how many numbers one part of a parallel loop works on.
const partSize = 1 << 14

// A copier copies rows of numbers from one array to another, in which they are
// a different distance apart: what joining and cutting along an axis comes to.
// It is allocated once, by newCopier.
type copier struct {
	dst, src             []float32
	dstStep, srcStep     int // from the start of one row to the next
	rows, width          int
	rowsPerPart, columns int // columns are the parts in which long rows are cut
	task                 parallel.Task
}

func newCopier() *copier {
	c := new(copier)
	c.task = parallel.TaskFunc(c.part)
	return c
}

// copy copies rows of the given width.
func (c *copier) copy(p *parallel.Pool, dst []float32, dstStep int, src []float32, srcStep, rows, width int) {
	if rows == 0 || width == 0 {
		return
	}
	c.dst, c.src = dst, src
	c.dstStep, c.srcStep = dstStep, srcStep
	c.rows, c.width = rows, width
	c.rowsPerPart = max(1, partSize/width)
	c.columns = (width + partSize - 1) / partSize
	p.Run((rows+c.rowsPerPart-1)/c.rowsPerPart*c.columns, c.task)
	c.dst, c.src = nil, nil
}

func (c *copier) part(_, i int) {
	first := i / c.columns * c.rowsPerPart
	lo := i % c.columns * partSize
	n := min(partSize, c.width-lo)
	for row := first; row < min(first+c.rowsPerPart, c.rows); row++ {
		copy(c.dst[row*c.dstStep+lo:][:n], c.src[row*c.srcStep+lo:][:n])
	}
}
