package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// denseDepth is the part of the channels that a BlockFunc sums at a time, and
	// densePanels the number of panels of pixels of a part, which are packed together: 256
	// KiB stay in the L2 cache while the weights pass once.
	denseDepth  = 512
	densePanels = 4

	// denseRows is the number of channels that are packed at a time: few pages.
	denseRows = 32

	// denseChannels is the number of channels of the source and of the result from which on
	// packing the pixels is worth its time.
	denseChannels = 48

	// denseParts is the number of parts for each thread that there are at least, if the
	// strips of the weights suffice.
	denseParts = 2
)

// dense computes a product with kernels of one pixel, which is one of matrices: the
// weights, in strips of channels of the result, by the channels of the source, in panels
// of pixels.
type dense struct {
	*product
	pieces    int         // of a plane
	strips    gemm.Strips // of the weights of a group
	blocks    int         // of the strips
	parts     int         // of the packing of a group
	fewPixels denseFew    // kept from run to run
	rowAt     []int       // with a stride: where the rows of pixels begin in a channel of the source
}

// init lists the rows.
func (t *dense) init(p *product) {
	t.product = p
	if size(t.window.src) == t.outSize {
		return
	}
	axis := len(t.out) - 1
	t.rowAt = []int{0}
	for a := range axis {
		t.rowAt = extend(t.rowAt, t.window.src[a], t.out[a], func(i int) int { return i * t.step[a] })
	}
	for i := range t.rowAt {
		t.rowAt[i] *= t.window.src[axis]
	}
}

// fits reports whether dense can compute the product and should.
func (t *dense) fits() bool {
	return t.nTaps == 1 && t.whole && t.geometry.taps == 1 && t.outSize == t.dstSize &&
		min(t.channels, t.dstChannels) >= denseChannels && (t.outSize > 1 || t.geometry.Batch == 1)
}

func (t *dense) run(op parallel.Op) {
	if t.few() {
		t.fewPixels.run(op, t)
		return
	}
	g := t.geometry
	t.strips = t.micro.Strips(t.dstChannels, t.channels)
	t.pieces = gemm.CeilDiv(t.outSize, densePanels*t.micro.BlockPanel())
	parts := g.Batch * g.Group * t.pieces
	t.blocks = 1
	if parts > 0 {
		t.blocks = min(t.strips.Count, gemm.CeilDiv(denseParts*t.pool.Threads(), parts))
	}
	t.packed = op.Workspace(g.Group * t.strips.Size())
	t.parts = t.strips.Count
	if t.backward {
		t.parts = gemm.CeilDiv(t.channels, denseRows)
	}
	t.packing = true
	t.pool.RunWork(g.macs(), g.Group*t.parts, t)
	t.packing = false
	t.pool.RunWork(g.macs(), parts*t.blocks, t)
}

// Do packs or computes part i.
func (t *dense) Do(worker, i int) {
	if t.packing {
		t.pack(i/t.parts, i%t.parts)
		return
	}
	block, i := i%t.blocks, i/t.blocks
	piece, at := i%t.pieces, i/t.pieces
	t.compute(worker, at, piece*t.outSize/t.pieces, (piece+1)*t.outSize/t.pieces,
		block*t.strips.Count/t.blocks, (block+1)*t.strips.Count/t.blocks)
}

// pack packs a strip of the weights of a group, or some channels of all strips.
func (t *dense) pack(group, part int) {
	n := t.strips.Size()
	w, dst := t.weight[group*n:][:n], t.packed[group*n:]
	if t.backward {
		t.strips.PackColumns(t.micro, part*denseRows, min(t.channels, (part+1)*denseRows), w, t.dstChannels, dst)
	} else {
		t.strips.Pack(t.micro, part, w, t.channels, dst)
	}
}

// compute computes the pixels from to to-1 of group at%Group of image at/Group, for some
// strips of its channels.
func (t *dense) compute(worker, at, from, to, strip, end int) {
	group := at % t.geometry.Group
	base := at * t.dstChannels * t.dstSize
	x, y := t.src[at*t.channels*t.srcSize:], t.dst[base:]
	weight := t.packed[group*t.strips.Size():]
	panel := t.micro.BlockPanel()
	depth := min(denseDepth, t.channels)
	width := gemm.RoundUp(to-from, t.micro.Lanes)
	buf := t.pool.Scratch(worker, depth*width+t.micro.BlockRows()*panel)
	pixels, edge := buf[:depth*width], buf[depth*width:]
	for k := 0; k < t.channels; k += denseDepth {
		n := min(denseDepth, t.channels-k)
		t.packPixels(x[k*t.srcSize:], 0, n, n, from, to, pixels)
		for i := strip; i < end; i++ {
			first, rows := t.strips.Rows(i)
			c := blockOf{rows: rows, k: n, a: &weight[first*t.channels+k*rows], add: k > 0}
			c.next = c.a
			if i+1 < end {
				below, rows := t.strips.Rows(i + 1)
				c.next = &weight[below*t.channels+k*rows]
			}
			if k == 0 && t.bias != nil {
				c.bias = &t.bias[group*t.dstChannels+first]
			}
			for q := from; q < to; q += panel {
				t.block(c, &pixels[(q-from)*n], min(panel, to-q), y[first*t.dstSize+q:], edge)
				c.next = c.a
			}
			if k+n == t.channels {
				t.finish(group*t.dstChannels+first, rows, base+first*t.dstSize+from, to-from)
			}
		}
	}
}

// packPixels packs the pixels from to to-1 of channels first to first+n-1 of some into
// panels.
func (t *dense) packPixels(x []float32, first, n, channels, from, to int, dst []float32) {
	panel := t.micro.BlockPanel()
	for k := first; k < first+n; k += denseRows {
		rows := min(denseRows, first+n-k)
		for q := from; q < to; q += panel {
			cols := min(panel, to-q)
			w := gemm.RoundUp(cols, t.micro.Lanes)
			d := dst[(q-from)*channels+k*w:][:rows*w]
			if cols < w {
				clear(d)
			}
			if t.rowAt == nil {
				t.micro.CopyTo(rows, cols, x[k*t.srcSize+q:], t.srcSize, d, w)
				continue
			}
			for r := range rows {
				t.gather(x[(k+r)*t.srcSize:], q, d[r*w:][:cols])
			}
		}
	}
}

// gather sets dst to pixels of a channel from q on, which a stride separates.
func (t *dense) gather(x []float32, q int, dst []float32) {
	axis := len(t.out) - 1
	line, step := t.out[axis], t.step[axis]
	for len(dst) > 0 {
		at := q % line
		n := min(line-at, len(dst))
		src := x[t.rowAt[q/line]+at*step:]
		for i := range dst[:n] {
			dst[i] = src[i*step]
		}
		q, dst = q+n, dst[n:]
	}
}

// A blockOf is what a BlockFunc does for all panels of a strip.
type blockOf struct {
	rows, k       int
	a, next, bias *float32
	add           bool
}

// block computes the pixels of a panel, in edge if they fill no whole vectors.
func (t *dense) block(s blockOf, b *float32, cols int, y, edge []float32) {
	w := gemm.RoundUp(cols, t.micro.Lanes)
	multiply := t.micro.Block(s.rows, w)
	if cols == w {
		multiply(s.k, s.a, b, s.next, s.bias, &y[0], t.dstSize, s.add)
		return
	}
	if s.add {
		t.micro.CopyTo(s.rows, cols, y, t.dstSize, edge, w)
	}
	multiply(s.k, s.a, b, s.next, s.bias, &edge[0], w, s.add)
	t.micro.CopyTo(s.rows, cols, edge, w, y, t.dstSize)
}
