package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// flatPercent is the cost of flatLines, in percent of that of other ways, up to which they are
// used: short rows take more time to copy than the estimate says.
const flatPercent = 90

// flatLines are lines with a flat copy, for few channels of the result, which would not fill the
// vectors of a panel.
type flatLines struct {
	product
	lines lines
}

// newFlatLines returns nil if the channels fill vectors.
func newFlatLines(p product) (*flatLines, error) {
	if p.dstChannels >= maxLanes {
		return nil, nil
	}
	p.window.split, p.window.flat, p.groups = false, true, p.geometry.Group
	t := &flatLines{product: p}
	return t, t.window.init(p.geometry.Batch)
}

// prepare fills the tables.
func (t *flatLines) prepare() {
	t.window.tables()
	t.lines.product = &t.product
}

// choose reports whether to use them in place of a way with the given cost.
func (t *flatLines) choose(u *gemm.Micro, cost int) bool {
	if !t.lines.init(u) || 100*t.lines.cost(u) > flatPercent*cost {
		return false
	}
	t.lines.tables(u)
	return true
}
