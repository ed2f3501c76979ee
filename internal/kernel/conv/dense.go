package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// denseDepth is the part of the channels that a BlockFunc sums at a time.
	denseDepth = 512

	// denseSize is the approximate number of elements of the packed pixels of a piece, and
	// densePanels the least number of its panels: 128 to 256 KiB stay in the L2 cache while
	// the weights pass once and the next piece arrives.
	denseSize   = 32 << 10
	densePanels = 4

	// denseRows is the number of channels that are packed at a time: few pages.
	denseRows = 32

	// denseChannels and denseOutputs are the numbers of channels of the source and of the
	// result from which on packing the pixels is worth its time.
	denseChannels = 16
	denseOutputs  = 48

	// denseParts is the number of parts for each thread that there are at least, if the
	// strips of the weights suffice, and densePieces the largest number of parts that the
	// pieces are distributed to: a part brings its next piece into the cache.
	denseParts  = 2
	densePieces = 8
)

// dense computes a product with kernels of one pixel, which is one of matrices: the
// weights, in strips of channels of the result, by the channels of the source, in panels
// of pixels.
//
// The pixels are cut into pieces. They are those of a plane, or of the planes of all images
// in order, so that small planes fill whole panels.
type dense struct {
	*product
	spread bool      // the pixels of the result are strides apart, with zeros between them
	rowAt  []int     // with a stride: where the rows of pixels begin in the larger plane
	zeros  []float32 // as many as a row has pixels, and a vector more

	images    int         // whose planes are cut together: 1 or all
	pieces    int         // of these planes
	strips    gemm.Strips // of the weights of a group
	blocks    int         // of the strips
	runs      int         // of the pieces or, in denseFew, of the panels of a group
	parts     int         // of the packing of a group
	fewPixels denseFew    // kept from run to run
}

// init lists the rows.
func (t *dense) init(p *product) {
	t.product = p
	g := p.geometry
	if g.inSize == g.outSize {
		return
	}
	t.rowAt = g.rowStarts()
	if t.backward {
		t.spread = true
		t.zeros = make([]float32, g.out[len(g.out)-1]+pairLanes)
	}
}

// fits reports whether dense can compute the product and should.
func (t *dense) fits() bool { return t.geometry.dense(t.channels, t.dstChannels) }

// dense reports whether the type of that name computes products of so many channels.
func (g *geometry) dense(channels, dstChannels int) bool {
	return g.taps == 1 && slices.Max(g.Pad) == 0 && channels >= denseChannels && dstChannels >= denseOutputs && (g.outSize > 1 || g.Batch == 1)
}

func (t *dense) run(op parallel.Op) {
	g := t.geometry
	t.strips = t.micro.Strips(t.dstChannels, t.channels)
	t.cut(max(densePanels*t.micro.BlockPanel(), denseSize/min(denseDepth, t.channels)))
	pieces := t.share(denseParts * t.pool.Threads())
	t.runs = min(pieces, densePieces*t.pool.Threads())
	t.blocks = 1
	if pieces%t.pool.Threads() != 0 {
		t.blocks = min(t.strips.Count, gemm.CeilDiv(denseParts*t.pool.Threads(), pieces))
	}
	t.packed = op.Workspace(g.Group * t.strips.Size())
	t.parts = t.strips.Count
	if t.backward {
		t.parts = gemm.CeilDiv(t.channels, denseRows)
	}
	t.packing = true
	t.pool.RunWork(g.macs(), g.Group*t.parts, t)
	t.packing = false
	t.pool.RunWork(g.macs(), t.runs*t.blocks, t)
}

// Do packs or computes part i.
func (t *dense) Do(worker, i int) {
	if t.packing {
		t.pack(i/t.parts, i%t.parts)
		return
	}
	part := i
	block, i := i%t.blocks, i/t.blocks
	end := t.first(i + 1)
	for piece := t.first(i); piece < end; piece++ {
		t.compute(worker, t.piece(piece), t.following(piece, end, part), block*t.strips.Count/t.blocks, (block+1)*t.strips.Count/t.blocks)
	}
}

// first returns the first piece of a run.
func (t *dense) first(run int) int { return run * t.count() / t.runs }

// following returns the piece that a thread computes after one of a part whose run ends at end:
// of the next part if it is the last one.
func (t *dense) following(piece, end, part int) densePiece {
	if piece++; piece == end {
		if part++; part == t.runs*t.blocks {
			return densePiece{}
		}
		piece = t.first(part / t.blocks)
	}
	return t.piece(piece)
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

// compute computes a piece of the pixels for some strips of the channels of its group.
// Meanwhile it brings the next piece into the L2 cache.
func (t *dense) compute(worker int, p, next densePiece, strip, end int) {
	group := p.axis % t.geometry.Group
	weight := t.packed[group*t.strips.Size():]
	panel, depth := t.micro.BlockPanel(), min(denseDepth, t.channels)
	s := denseSums{dense: t, densePiece: p, width: gemm.RoundUp(p.to-p.from, t.micro.Lanes)}
	size := depth * s.width
	buf := t.pool.Scratch(worker, size+s.size()+t.rowSize(p))
	pixels, row := buf[:size], buf[size+s.size():]
	s.buf = buf[size:][:s.size()]
	for k := 0; k < t.channels; k += denseDepth {
		n := min(denseDepth, t.channels-k)
		t.packPixels(p, k, n, k, k+n, pixels, row)
		ahead := denseAhead{dense: t, densePiece: next, end: depth, depth: n}
		if k+n < t.channels {
			ahead = denseAhead{dense: t, densePiece: p, channel: k + n, end: min(t.channels, k+n+denseDepth), depth: n}
		}
		for i := strip; i < end; i++ {
			s.begin(i, k, n)
			s.a = &weight[s.first*t.channels+k*s.rows]
			if i+1 < end {
				below, rows := t.strips.Rows(i + 1)
				s.next = &weight[below*t.channels+k*rows]
			}
			for q := p.from; q < p.to; q += panel {
				s.block(&pixels[(q-p.from)*n], q)
				s.next, s.step = ahead.line(s.a)
			}
			if k+n == t.channels {
				s.finish()
			}
		}
	}
}
