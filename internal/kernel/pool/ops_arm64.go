//go:build !noasm

package pool

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = ops{lanes: neonLanes, maxRow: maxRowNEON, aveRow: aveRowNEON}

// neonLanes is the number of windows of a vector, the fewest that the assembly takes.
const neonLanes = 4

// The assembly has strides of one and two columns.

func maxRowNEON(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	switch {
	case len(y) < neonLanes || stride > 2:
		maxRowGeneric(x, width, kh, kw, stride, first, y, mask)
	case stride == 1:
		maxRow1NEON(x, width, kh, kw, first, y, mask)
	default:
		maxRow2NEON(x, width, kh, kw, first, y, mask)
	}
}

func aveRowNEON(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	switch {
	case len(y) < neonLanes || stride > 2:
		aveRowGeneric(x, width, kh, kw, stride, size, y)
	case stride == 1:
		aveRow1NEON(x, width, kh, kw, size, y)
	default:
		aveRow2NEON(x, width, kh, kw, size, y)
	}
}
