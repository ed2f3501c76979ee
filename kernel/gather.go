package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// gatherArgs are the arguments of a loop over rows that are chosen by an index.
type gatherArgs struct {
	width int
	index []int32
	x, y  []float32
}

var (
	gatherLoop = parallel.Loop[gatherArgs]{Body: func(a *gatherArgs, _, i, j int) {
		for r := i; r < j; r++ {
			y := a.y[r*a.width : (r+1)*a.width]
			if from := int(a.index[r]); from >= 0 {
				copy(y, a.x[from*a.width:])
			} else {
				clear(y)
			}
		}
	}}
	// The parts are those of y, so that no two add to the same row.
	scatterLoop = parallel.Loop[gatherArgs]{Body: func(a *gatherArgs, _, i, j int) {
		for r, to := range a.index {
			if to := int(to); i <= to && to < j {
				vec.Axpy(1, a.x[r*a.width:], a.y[to*a.width:(to+1)*a.width])
			}
		}
	}}
)

// rowsPerPart returns the number of rows in one part of a loop over rows.
func rowsPerPart(width int) int { return max(1, vec.Block/max(1, width)) }

// GatherRows sets row i of y to row index[i] of x, or to zeros where index[i] is
// negative. y is (n,width), x has rows of width elements too, index is (n).
func GatherRows(p *parallel.Pool, n, width int, x []float32, index []int32, y []float32) {
	vec.Check("GatherRows", len(index), n)
	vec.Check("GatherRows", len(y), n*width)
	gatherLoop.Run(p, n, rowsPerPart(width), gatherArgs{width: width, index: index, x: x, y: y})
}

// ScatterAddRows adds row i of x to row index[i] of y, for each i in order, unless
// index[i] is negative: the gradient of GatherRows. x is (n,width), y has rows of width
// elements too, index is (n).
func ScatterAddRows(p *parallel.Pool, n, width int, x []float32, index []int32, y []float32) {
	vec.Check("ScatterAddRows", len(index), n)
	vec.Check("ScatterAddRows", len(x), n*width)
	scatterLoop.Run(p, len(y)/max(1, width), rowsPerPart(width), gatherArgs{width: width, index: index[:n], x: x, y: y})
}
