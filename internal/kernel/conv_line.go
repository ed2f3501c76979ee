package kernel

import "github.com/gocaffe/gocaffe/parallel"

const (
	// lineTurn is how many multiply-adds it costs to turn a number of the result
	// around, as the way by tileFuncs must; lineCopy what it costs to copy a
	// number of the source.
	lineTurn = 6
	lineCopy = 4

	// lineFloats is about how many numbers of the source meet one panel of
	// weights after the other, so that they stay in the L1 cache.
	lineFloats = 8 << 10

	// lineSlow is the length of sums of which the pixels and weights do not stay
	// near, and lineSlowness what a multiply-add then costs in a hundred.
	lineSlow     = 384
	lineSlowness = 115

	// linePiece is how many vectors of a plane a task takes at least.
	linePiece = 64
)

// lineCost is how long a lineFunc of 1, 2, ... rows takes for 100 multiply-adds,
// in those of a tileFunc: the fewer rows, the more loads.
var lineCost = [...]int{230, 145, 125, 107, 103, 100}

// lines is how a convPlan works with lineFuncs. The vectors are pixels that lie
// side by side in a row of the padded copy or, with kernels of one pixel, in a
// plane of the source itself, and the result goes where it belongs. tileFuncs
// need no rows, but whole vectors of channels, a copy, and the result turned.
type lines struct {
	lanes     int         // that the rest is made for; 0: of none
	use       bool        // is it the better way?
	inPlace   bool        // without a copy
	panels    []linePanel // of the channels of the result of a group
	perRow    int         // vectors of a row
	pieces    int         // of a plane, if it is read in place
	from, to  []int32     // where the vectors are in the copy, and in the result of an image
	off       []int32     // of the terms of a sum
	rowPixels int
}

// planLines finds out whether lineFuncs of the given level are the better way,
// and makes the tables for them.
func (t *convPlan) planLines(u *micro) {
	l := &t.lines
	if l.lanes == u.lanes {
		return
	}
	axis := len(t.out) - 1
	*l = lines{lanes: u.lanes, panels: u.linePanels(l.panels, t.dstChannels), rowPixels: t.out[axis]}
	l.inPlace = t.taps == 1 && t.whole && size(t.window.src) == t.outSize
	if l.inPlace {
		l.rowPixels = t.outSize
	}
	l.perRow = ceilDiv(l.rowPixels, u.lanes)
	cut := axis == 0 && t.bands > 1 && !l.inPlace // a row is
	if t.places != nil || t.step[axis] != 1 || cut || l.rowPixels < u.lanes || t.lineCost(u) > t.tileCost(u) {
		return
	}
	l.use = true
	// The last vector of a row may begin within the one before.
	row := func(i int) int { return min(i*u.lanes, l.rowPixels-u.lanes) }
	if l.inPlace {
		for i := range l.perRow {
			l.from = append(l.from, int32(row(i)))
		}
		l.to = l.from
		l.pieces = max(1, l.perRow/linePiece)
	} else {
		imagePixels := t.rows * (t.outSize / t.out[0])
		for q := 0; q < t.images*imagePixels; q += l.rowPixels {
			for i := range l.perRow {
				l.from = append(l.from, t.pix[q+row(i)])
				l.to = append(l.to, int32(q/imagePixels*t.conv.p.Group*t.dstChannels*t.dstSize+q%imagePixels+row(i)))
			}
		}
	}
	for p := range t.channels * t.taps {
		off := t.window.off[p]
		if l.inPlace {
			off = int32(p * t.srcSize)
		}
		l.off = append(l.off, off, int32(p*len(u.lines)))
	}
}

// lineCost and tileCost return about how many multiply-adds a pixel of the
// result costs either way.
func (t *convPlan) lineCost(u *micro) int {
	cost := 0
	for _, p := range t.lines.panels {
		cost += t.channels * t.taps * p.rows * lineCost[p.rows-1]
	}
	cost = cost / 100 * t.lines.perRow * u.lanes / t.lines.rowPixels
	if t.channels*t.taps > lineSlow {
		cost = cost * lineSlowness / 100
	}
	if !t.lines.inPlace {
		cost += lineCopy * t.channels
	}
	return cost
}

func (t *convPlan) tileCost(u *micro) int {
	width := 0
	for j := 0; j < t.dstChannels; j += u.panel() {
		width += u.width(t.dstChannels - j)
	}
	seen := 0
	for _, s := range t.spans {
		seen += s.to - s.from
	}
	return t.channels*t.taps*width*seen/(len(t.spans)*t.lead) + lineTurn*t.dstChannels + lineCopy*t.channels
}

// runLines is run by lineFuncs.
func (t *convPlan) runLines(op parallel.Op) {
	c, p := t.conv, op.Pool()
	rows := len(t.u.lines)
	t.panels, t.depth = len(t.lines.panels), t.channels*t.taps
	shared := op.Workspace(c.p.Group * (t.dstChannels + t.panels*t.depth*rows))
	t.packedBias, t.packed = shared[:c.p.Group*t.dstChannels], shared[c.p.Group*t.dstChannels:]
	if t.bias == nil {
		clear(t.packedBias)
	} else {
		copy(t.packedBias, t.bias)
	}
	t.packing = true
	p.RunWork(c.MACs(), c.p.Group*t.panels, t)
	t.packing = false
	if t.lines.inPlace {
		p.RunWork(c.MACs(), c.p.Group*c.p.Batch*t.lines.pieces, t)
	} else {
		p.RunWork(c.MACs(), c.p.Group*t.chunks(c.p.Batch), t)
	}
}

// doLines is Do by lineFuncs.
func (t *convPlan) doLines(worker, i int) {
	l, groups := &t.lines, t.conv.p.Group
	switch {
	case t.packing:
		t.packLines(i/t.panels, i%t.panels)
	case l.inPlace:
		image, group, piece := i/l.pieces/groups, i/l.pieces%groups, i%l.pieces
		from, to := piece*l.perRow/l.pieces, (piece+1)*l.perRow/l.pieces
		at := (image*groups + group)
		t.computeLines(group, t.src[at*t.channels*t.srcSize:], t.to[at*t.dstChannels*t.dstSize:], l.from[from:to], l.to[from:to])
	default:
		group, c := i%groups, t.chunk(t.conv.p.Batch, i/groups)
		x := t.pool.Scratch(worker, t.bufferSize())
		t.fill(t.u, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
		n := c.images * c.pixels / l.rowPixels * l.perRow
		t.computeLines(group, x, t.to[(c.image*groups+group)*t.dstChannels*t.dstSize+c.first:], l.from[:n], l.to[:n])
	}
}

// packLines packs the weights for a panel: for each channel of the source and
// each tap a number for each channel of the result.
func (t *convPlan) packLines(group, panel int) {
	rows, taps := len(t.u.lines), t.conv.taps
	p := t.lines.panels[panel]
	dst := t.packed[(group*t.panels+panel)*t.depth*rows:][:t.depth*rows]
	for r := range p.rows {
		j := p.first + r
		if !t.backward {
			for k, v := range t.weight[(group*t.dstChannels+j)*t.depth:][:t.depth] {
				dst[k*rows+r] = v
			}
			continue
		}
		for o := range t.channels {
			src := t.weight[((group*t.channels+o)*t.dstChannels+j)*taps:][:taps]
			for i, tap := range t.kernelTaps {
				dst[(o*t.taps+i)*rows+r] = src[tap]
			}
		}
	}
}

// computeLines computes the vectors of the result of a group that are listed.
func (t *convPlan) computeLines(group int, x, to []float32, fromAt, toAt []int32) {
	rows, widest := len(t.u.lines), len(t.u.lines[0])
	step := max(1, lineFloats/(t.channels*widest*t.u.lanes)) * widest
	for v := 0; v < len(fromAt); v += step {
		n := min(step, len(fromAt)-v)
		whole := n / widest * widest
		for i, p := range t.lines.panels {
			w := &t.packed[(group*t.panels+i)*t.depth*rows]
			bias, dst := &t.packedBias[group*t.dstChannels+p.first], &to[p.first*t.dstSize]
			if whole > 0 {
				t.u.lines[p.rows-1][widest-1](whole/widest, t.depth, &x[0], &fromAt[v], &t.lines.off[0], w, bias, dst, &toAt[v], t.dstSize)
			}
			if whole < n {
				t.u.lines[p.rows-1][n-whole-1](1, t.depth, &x[0], &fromAt[v+whole], &t.lines.off[0], w, bias, dst, &toAt[v+whole], t.dstSize)
			}
		}
	}
}
