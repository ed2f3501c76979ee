package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// linesSize is the approximate number of elements of the source that are multiplied by
	// one panel of weights after the other. They stay in the L1 cache.
	linesSize = 8 << 10

	// slowDepth is the length from which on the pixels and weights of a sum do not stay in
	// the nearest caches, and slowPercent the relative cost of a multiply-add then.
	slowDepth   = 384
	slowPercent = 115

	// splitCost is the cost, for an element of the result, of splitting the rows of a channel in
	// one piece. One by one they take twice as long.
	splitCost = 20

	// leastVectors is the minimum number of vectors of a plane in a part, unless there are
	// fewer than leastChunks parts.
	leastVectors = 64
)

// lineCost is the time that a LineFunc of 1, 2, ... rows needs for 100 multiply-adds,
// in multiply-adds of a TileFunc: the fewer rows, the more loads.
var lineCost = [...]int{230, 145, 125, 107, 103, 100}

// lines computes a product with LineFuncs. The vectors are adjacent pixels in a row of
// the padded copy or, with kernels of one pixel, in a plane of the source itself. The
// result is written directly to its destination. With a flat copy, they are adjacent elements of
// it, with some between the pixels, so rows may be short: whole lines of the result are computed,
// and then its pixels are copied.
type lines struct {
	*product
	inPlace    bool
	rows       []gemm.LinePanel // panels of the channels of the result of a group
	rowPixels  int              // pixels of a row, of a plane in place, or of a flat copy
	rowVectors int              // vectors of a row
	pieces     int              // of a plane, in place
	cuts       int              // of the panels of a piece
	from, to   []int32          // offsets of the vectors in the copy, and in the result of an image
	terms      []int32          // offsets of the terms of a sum
}

// init splits the product for u and reports whether lines can compute it.
func (t *lines) init(u *gemm.Micro) bool {
	axis := len(t.out) - 1
	*t = lines{product: t.product, rows: u.LinePanels(t.rows, t.dstChannels), rowPixels: t.out[axis]}
	t.inPlace = t.nTaps == 1 && t.whole && size(t.window.src) == t.outSize
	if t.inPlace {
		t.rowPixels = t.outSize
	}
	if t.flat {
		t.inPlace, t.rowPixels = false, t.images*t.maxPixels()
		t.rowVectors = t.length() / u.Lanes
		return true
	}
	t.rowVectors = gemm.CeilDiv(t.rowPixels, u.Lanes)
	cut := axis == 0 && t.bands > 1 && !t.inPlace // bands split the rows
	return t.adjacent() && !cut && t.rowPixels >= u.Lanes
}

// tables lists the vectors and terms.
func (t *lines) tables(u *gemm.Micro) {
	// The last vector of a row may overlap the previous one.
	vector := func(i int) int { return min(i*u.Lanes, t.rowPixels-u.Lanes) }
	if t.flat {
		vector = func(i int) int { return i * u.Lanes }
	}
	if t.inPlace || t.flat {
		for i := range t.rowVectors {
			t.from = append(t.from, int32(vector(i)))
		}
		t.to = t.from
	} else {
		imagePixels := t.maxPixels()
		for q := 0; q < t.images*imagePixels; q += t.rowPixels {
			for i := range t.rowVectors {
				t.from = append(t.from, t.pixels[q+vector(i)])
				t.to = append(t.to, int32(q/imagePixels*t.geometry.Group*t.dstChannels*t.dstSize+q%imagePixels+vector(i)))
			}
		}
	}
	for p := range t.depth() {
		off := t.taps[p]
		if t.inPlace {
			off = int32(p * t.srcSize)
		}
		t.terms = append(t.terms, off, int32(p*u.LineRows()))
	}
}

// cost returns the approximate cost of a pixel of the result, in multiply-adds.
func (t *lines) cost(u *gemm.Micro) int {
	cost := 0
	for _, p := range t.rows {
		cost += t.depth() * p.Rows * lineCost[p.Rows-1]
	}
	cost = cost / 100 * t.rowVectors * u.Lanes / t.rowPixels
	if t.depth() > slowDepth {
		cost = cost * slowPercent / 100
	}
	if !t.inPlace {
		cost += copyCost * t.channels
	}
	if t.flat {
		cost += copyCost * t.dstChannels
	}
	switch split := t.halves(len(t.out) - 1); {
	case split && t.flat:
		cost += splitCost * t.channels
	case split:
		cost += 2 * splitCost * t.channels
	}
	return cost
}

func (t *lines) run(op parallel.Op) {
	g := t.geometry
	t.take(op.Workspace(t.packedSize()))
	t.packing = true
	t.pool.RunWork(g.macs(), g.Group*t.panels, t)
	t.packing = false
	if t.inPlace {
		t.cutPlanes()
		t.pool.RunWork(g.macs(), g.Group*g.Batch*t.pieces*t.cuts, t)
	} else {
		t.pool.RunWork(g.macs(), g.Group*t.chunks(g.Batch), t)
	}
}

// packedSize returns the number of elements of the packed weights and biases.
func (t *lines) packedSize() int {
	return t.geometry.Group * (t.dstChannels + len(t.rows)*t.depth()*t.micro.LineRows())
}

// take takes their storage from the start of shared, returns the rest, and packs the biases.
func (t *lines) take(shared []float32) []float32 {
	t.panels = len(t.rows)
	biases, n := t.geometry.Group*t.dstChannels, t.packedSize()
	t.packedBias, t.packed = shared[:biases], shared[biases:n]
	clear(t.packedBias)
	copy(t.packedBias, t.bias)
	return shared[n:]
}

// cutPlanes cuts planes in place into pieces and, if those are fewer than the threads, their
// panels. A thread that computes all panels of a piece reads it from memory once.
func (t *lines) cutPlanes() {
	planes, threads := t.geometry.Batch*t.geometry.Group, t.pool.Threads()
	t.pieces, t.cuts = max(1, t.rowVectors/leastVectors), 1
	if planes*t.pieces >= leastChunks {
		return
	}
	t.pieces = max(1, min(t.rowVectors/t.micro.LineVectors(), gemm.CeilDiv(leastChunks, planes)))
	if planes*t.pieces < 2*threads {
		// The last two vectors may overlap, so they must be in one piece.
		t.pieces = max(1, min(t.rowVectors/2, gemm.CeilDiv(gemm.RoundUp(planes*t.pieces, threads), planes)))
		t.cuts = min(len(t.rows), gemm.CeilDiv(threads, planes*t.pieces))
	}
}

// Do packs or computes part i.
func (t *lines) Do(worker, i int) {
	groups := t.geometry.Group
	switch {
	case t.packing:
		t.pack(i/t.panels, i%t.panels)
	case t.inPlace:
		cut, i := i%t.cuts, i/t.cuts
		image, group, piece := i/t.pieces/groups, i/t.pieces%groups, i%t.pieces
		first, end := piece*t.rowVectors/t.pieces, (piece+1)*t.rowVectors/t.pieces
		panel, last := cut*t.panels/t.cuts, (cut+1)*t.panels/t.cuts
		at := image*groups + group
		t.compute(group, panel, last, t.src[at*t.channels*t.srcSize:], at*t.dstChannels*t.dstSize, t.from[first:end], t.to[first:end])
	default:
		group, c := i%groups, t.chunk(t.geometry.Batch, i/groups)
		if t.flat {
			t.computeFlat(worker, group, c)
			return
		}
		x := t.pool.Scratch(worker, t.copySize())
		t.fill(t.micro, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
		n := c.images * c.pixels / t.rowPixels * t.rowVectors
		t.compute(group, 0, t.panels, x, (c.image*groups+group)*t.dstChannels*t.dstSize+c.first, t.from[:n], t.to[:n])
	}
}

// pack packs the weights for a panel: for each channel of the source and each tap, an
// element for each channel of the result.
func (t *lines) pack(group, panel int) {
	rows, taps, depth := t.micro.LineRows(), t.geometry.taps, t.depth()
	p := t.rows[panel]
	dst := t.packed[(group*t.panels+panel)*depth*rows:][:depth*rows]
	for r := range p.Rows {
		j := p.First + r
		if !t.backward {
			for k, v := range t.weight[(group*t.dstChannels+j)*depth:][:depth] {
				dst[k*rows+r] = v
			}
			continue
		}
		for o := range t.channels {
			src := t.weight[((group*t.channels+o)*t.dstChannels+j)*taps:][:taps]
			for i, tap := range t.kernelTaps {
				dst[(o*t.nTaps+i)*rows+r] = src[tap]
			}
		}
	}
}

// compute computes the vectors of some panels of a group's result at the listed offsets from
// element at on.
func (t *lines) compute(group, panel, last int, x []float32, at int, from, to []int32) {
	step := t.vectorsAtOnce()
	for v := 0; v < len(from); v += step {
		end := min(v+step, len(from))
		t.multiply(group, panel, last, x, t.dst[at:], t.dstSize, from[v:end], to[v:end])
		t.finishVectors(group, panel, last, at, to[v:end])
	}
}

// vectorsAtOnce returns the number of vectors to multiply by one panel after the other.
func (t *lines) vectorsAtOnce() int {
	widest := t.micro.LineVectors()
	return max(1, linesSize/(t.channels*widest*t.micro.Lanes)) * widest
}

// multiply computes vectors of some panels of a group's result. The channels of y are ldc apart.
func (t *lines) multiply(group, panel, last int, x, y []float32, ldc int, from, to []int32) {
	rows, depth := t.micro.LineRows(), t.depth()
	for i := panel; i < last; i++ {
		p := t.rows[i]
		w := &t.packed[(group*t.panels+i)*depth*rows]
		t.micro.Line(p.Rows, depth, &x[0], from, t.terms, w, &t.packedBias[group*t.dstChannels+p.First], &y[p.First*ldc], to, ldc)
	}
}

// computeFlat computes a chunk of a group's result from a flat copy.
func (t *lines) computeFlat(worker, group int, c chunk) {
	u, n, size := t.micro, t.dstChannels, t.length()
	copied := t.copySize() + maxLanes // the last vector may reach beyond the copy
	buf := t.pool.Scratch(worker, copied+n*size)
	x, y := buf[:copied], buf[copied:]
	groups := t.geometry.Group
	t.fill(u, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
	t.wholeLines(group, x, y, size)
	for i := range c.images {
		at := ((c.image+i)*groups+group)*n*t.dstSize + c.first
		for o := range n {
			t.joinLine(u, c, y[o*size+i*t.imageStride:], t.dst[at+o*t.dstSize:])
		}
		t.finish(group*n, n, at, c.pixels)
	}
}

// wholeLines computes a group's result from a flat copy. The channels of y are ldc apart.
func (t *lines) wholeLines(group int, x, y []float32, ldc int) {
	step := t.vectorsAtOnce()
	for v := 0; v < len(t.from); v += step {
		end := min(v+step, len(t.from))
		t.multiply(group, 0, t.panels, x, y, ldc, t.from[v:end], t.to[v:end])
	}
}

// finishVectors applies the epilogue to vectors of some panels at the listed offsets, which
// ascend: once where they overlap.
func (t *lines) finishVectors(group, panel, last, at int, to []int32) {
	if t.then.empty() {
		return
	}
	lanes, ch, end := t.micro.Lanes, t.rows[panel].First, t.rows[last-1].First+t.rows[last-1].Rows
	for i := 0; i < len(to); {
		first := int(to[i])
		next := first + lanes
		for i++; i < len(to) && int(to[i]) <= next; i++ {
			next = int(to[i]) + lanes
		}
		t.finish(group*t.dstChannels+ch, end-ch, at+ch*t.dstSize+first, next-first)
	}
}
