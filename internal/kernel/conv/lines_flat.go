package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// flatTiles and flatRows are the cost of lines with a flat copy, in percent of that of tiles and
// of other lines or of phases, up to which they are used: short rows take more time to copy than
// the estimate says.
const (
	flatTiles = 85
	flatRows  = 97
)

// flatLines are lines with a flat copy, for few channels of the result, which would not fill the
// vectors of a panel.
type flatLines struct {
	product
	lines lines
}

// newFlatLines returns nil if the channels fill vectors or the copy would be too large.
func newFlatLines(p product) *flatLines {
	if p.dstChannels >= maxLanes {
		return nil
	}
	p.window.split, p.window.flat, p.groups = false, true, p.geometry.Group
	t := &flatLines{product: p}
	if t.window.init(p.geometry.Batch) != nil {
		return nil
	}
	return t
}

// prepare fills the tables.
func (t *flatLines) prepare() {
	t.window.tables()
	t.lines.product = &t.product
}

// choose reports whether to use them in place of tiles and, unless rows is 0, of other lines with
// the given costs.
func (t *flatLines) choose(u *gemm.Micro, tiles, rows int) bool {
	t.lines.init(u)
	cost := 100 * t.lines.cost(u)
	if cost > flatTiles*tiles || rows > 0 && cost > flatRows*rows {
		return false
	}
	t.lines.tables(u)
	return true
}
