package pool

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// ops is one implementation of the loops under pooling.
type ops struct {
	lanes int // of a vector

	// Rows of len(y) windows inside the plane, like maxRowGeneric and
	// aveRowGeneric.
	maxRow func(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32)
	aveRow func(x []float32, width, kh, kw, stride int, size float32, y []float32)

	special [specialSizes]specialOps
}

// active returns the loops in use.
func active() *ops { return implementations[cpu.Active()] }

// specialOps holds loops for windows of one width and one horizontal stride. Loops that
// do not exist are nil.
type specialOps struct {
	// Rows of n windows each, of kh rows of the image. The first row of windows
	// starts at x[0], each next one step elements further; first is the index in
	// the plane of the column of x[0] after pad columns of padding.
	maxPool func(x []float32, width, step, rows, n, kh, pad, first int, y []float32, mask []int32)
	// The same without the mask.
	maxValue func(x []float32, width, step, rows, n, kh, pad int, y []float32)
	// The same with means, as if the windows had height rows.
	avePool func(x []float32, width, step, rows, n, kh, pad int, height float32, y []float32)

	// A whole plane of square windows, up to the last row that a window covers.
	maxUnpool func(dy []float32, mask []int32, outH, n int, dx []float32, height, width, padH, pad int)
	aveUnpool func(dy []float32, outH, n int, dx []float32, height, width, padH, pad int)
}

// The sizes with specialOps.
const (
	width2Stride2 = iota
	width3Stride2
	width3Stride1
	specialSizes
)

var noSpecialOps specialOps

// special returns the loops for windows of g's size.
func (g *Params) special() *specialOps {
	// They require that every window covers a part of the image.
	if g.PadH >= g.KernelH || g.PadW >= g.KernelW || (g.OutH-1)*g.StrideH-g.PadH >= g.H || (g.OutW-1)*g.StrideW-g.PadW >= g.W {
		return &noSpecialOps
	}
	switch [2]int{g.KernelW, g.StrideW} {
	case [2]int{2, 2}:
		return &active().special[width2Stride2]
	case [2]int{3, 2}:
		return &active().special[width3Stride2]
	case [2]int{3, 1}:
		return &active().special[width3Stride1]
	}
	return &noSpecialOps
}

// specialSquare returns the loops for g's windows if these are square, with equal
// strides.
func (g *Params) specialSquare() *specialOps {
	if g.KernelH != g.KernelW || g.StrideH != g.StrideW {
		return &noSpecialOps
	}
	return g.special()
}

// covered returns the size of the part of a plane, from its first row on, that
// maxUnpool and aveUnpool set.
func (g *Params) covered() int {
	rows := (g.OutH-1)*g.StrideH + g.KernelH - g.PadH
	return min(rows, g.H) * g.W
}
