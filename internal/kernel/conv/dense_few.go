package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// denseFewPiece is the number of pixels of a piece: with denseDepth channels they stay in
	// the L2 cache from strip to strip.
	denseFewPiece = 512

	// denseFewRows is the number of channels of a part of the packing of pixels, and
	// denseFewParts that of the parts for each thread that there are at least, if the strips
	// suffice.
	denseFewRows  = 64
	denseFewParts = 6
)

// denseFew is dense for few pixels, such as those of one image. Packed weights would be
// used so few times that writing them to memory takes as long as the product. So a part
// packs a strip of the weights at a time, and multiplies it by all pixels while it is in
// its cache. The sums are those of dense to the last bit.
type denseFew struct {
	*dense
	ofPixels bool      // during the run that packs pixels
	panels   int       // of a plane
	slot     int       // elements of a packed piece
	pixels   []float32 // packed pieces, (groups of images,pieces,panels,channels,width)
}

// few reports whether there are so few pixels in all images that the packed pixels are
// smaller than the packed weights.
func (t *dense) few() bool { return t.geometry.Batch*t.outSize < t.dstChannels }

func (t *denseFew) run(op parallel.Op, d *dense) {
	t.dense = d
	g := d.geometry
	d.strips = d.micro.Strips(d.dstChannels, d.channels)
	t.panels = gemm.CeilDiv(d.outSize, d.micro.BlockPanel())
	d.pieces = gemm.CeilDiv(d.outSize, denseFewPiece)
	t.slot = gemm.CeilDiv(t.panels, d.pieces) * d.micro.BlockPanel() * d.channels
	d.parts = gemm.CeilDiv(d.channels, denseFewRows)
	all := g.Batch * g.Group * d.pieces
	t.pixels = op.Workspace(all * t.slot)
	t.ofPixels = true
	d.pool.RunWork(g.macs(), all*d.parts, t)
	t.ofPixels = false
	d.blocks = min(d.strips.Count, gemm.CeilDiv(denseFewParts*d.pool.Threads(), max(1, all)))
	d.pool.RunWork(g.macs(), all*d.blocks, t)
	t.pixels = nil
}

// Do packs part i of the pixels, or computes part i.
func (t *denseFew) Do(worker, i int) {
	if t.ofPixels {
		piece, part := i/t.parts, i%t.parts
		from, to := t.piece(piece % t.pieces)
		first := part * denseFewRows
		x := t.src[piece/t.pieces*t.channels*t.srcSize:]
		t.packPixels(x, first, min(denseFewRows, t.channels-first), t.channels, from, to, t.pixels[piece*t.slot:])
		return
	}
	block, piece := i%t.blocks, i/t.blocks
	t.computeStrips(worker, piece, block*t.strips.Count/t.blocks, (block+1)*t.strips.Count/t.blocks)
}

// piece returns the pixels of a piece of a plane, which are whole panels but for the last.
func (t *denseFew) piece(i int) (from, to int) {
	panel := t.micro.BlockPanel()
	return i * t.panels / t.pieces * panel, min((i+1)*t.panels/t.pieces*panel, t.outSize)
}

// computeStrips computes some strips of channels for a piece of the pixels.
func (t *denseFew) computeStrips(worker, piece, strip, end int) {
	at := piece / t.pieces
	group := at % t.geometry.Group
	y, pixels := t.dst[at*t.dstChannels*t.dstSize:], t.pixels[piece*t.slot:]
	n := t.strips.Size()
	weight := t.weight[group*n:][:n]
	from, to := t.piece(piece % t.pieces)
	rows, panel := t.micro.BlockRows(), t.micro.BlockPanel()
	buf := t.pool.Scratch(worker, rows*(t.channels+panel))
	packed, edge := buf[:rows*t.channels], buf[rows*t.channels:]
	for i := strip; i < end; i++ {
		first, rows := t.strips.Rows(i)
		if t.backward {
			t.strips.PackColumnsPiece(t.micro, i, 0, t.channels, weight, t.dstChannels, packed)
		} else {
			t.strips.PackPiece(t.micro, i, 0, t.channels, weight, t.channels, packed)
		}
		for k := 0; k < t.channels; k += denseDepth {
			c := blockOf{rows: rows, k: min(denseDepth, t.channels-k), a: &packed[k*rows], add: k > 0}
			if k == 0 && t.bias != nil {
				c.bias = &t.bias[group*t.dstChannels+first]
			}
			c.next = c.a
			if !t.backward {
				// The weights of the next strip follow those of this one.
				c.next = &weight[min((first+rows)*t.channels+k*lineSize, n-1)]
			}
			for q := from; q < to; q += panel {
				cols := min(panel, to-q)
				t.block(c, &pixels[(q-from)*t.channels+k*gemm.RoundUp(cols, t.micro.Lanes)], cols, y[first*t.dstSize+q:], edge)
				c.next = c.a
			}
		}
		t.finish(group*t.dstChannels+first, rows, at*t.dstChannels*t.dstSize+first*t.dstSize+from, to-from)
	}
}

// lineSize is the number of elements of a line of memory.
const lineSize = 16
