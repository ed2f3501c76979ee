package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// sumDepth is the number of rows of a panel that a micro-kernel sums at a time in a
	// convolution: those of 64 channels and a 3x3 kernel, 144 KiB, stay in the L2 cache.
	sumDepth = 576

	// transposeCost is the cost in multiply-adds of transposing an element of the result,
	// as after a TileFunc, and copyCost that of copying an element of the source.
	transposeCost = 6
	copyCost      = 4
)

// tiles computes a product with TileFuncs. They need whole vectors of channels, a copy
// of the source and a transposition of the result, but no rows of pixels.
//
// A tile at an edge leaves out the taps of the first axis that cover only zeros. To
// allow this, these taps are the outermost loop of the sum over taps and channels.
type tiles struct {
	*product
	terms []int32   // offsets in the copy of the terms of a sum, in its order
	outer int       // taps of the first axis if they are the outermost loop of the sum, 1 if the channels are
	spans []tapSpan // for each tile of each band
	width int       // during a run: columns of all panels
}

// A tapSpan is the range of the taps of the first axis that cover the source.
type tapSpan struct{ from, to int }

// init fills the tables. Of the rows of the result only the given number count.
func (t *tiles) init(p *product, rows int) {
	t.product = p
	// Terms are summed in Caffe's order, channels outermost, unless tiles at an edge need
	// only a part of the kernel, which must be a run of terms. The other order rounds
	// differently and is as accurate, but a net's golden losses are those of this one.
	t.outer = 1
	if p.geometry.Direct {
		rows = 0 // in Caffe's order everywhere
	}
	for row := range rows {
		if t.tapsAt(row) != (tapSpan{0, len(t.shift[0])}) {
			t.outer = len(t.shift[0])
		}
	}
	inner := t.nTaps / t.outer
	for a := range t.outer {
		if t.outer > 1 && t.backward {
			for r := range inner {
				for c := range t.channels {
					t.terms = append(t.terms, t.taps[c*t.nTaps+a*inner+r])
				}
			}
			continue
		}
		for c := range t.channels {
			t.terms = append(t.terms, t.taps[c*t.nTaps+a*inner:][:inner]...)
		}
	}
	line, pixels := t.line(), t.maxPixels()
	for band := range t.bands {
		for i := range t.bandTiles() {
			first, last := i*gemm.TileRows, min((i+1)*gemm.TileRows, t.images*pixels)-1
			span := tapSpan{0, t.outer} // of a tile in two images
			if t.outer > 1 && first/pixels == last/pixels {
				a := t.tapsAt(band*t.rows + first%pixels/line)
				b := t.tapsAt(min(band*t.rows+last%pixels/line, t.out[0]-1))
				span = tapSpan{min(a.from, b.from), max(a.to, b.to)}
			}
			t.spans = append(t.spans, span)
		}
	}
}

// bandTiles returns the number of tiles of the largest chunk.
func (t *tiles) bandTiles() int { return gemm.CeilDiv(t.images*t.maxPixels(), gemm.TileRows) }

// tapsAt returns the taps of the first axis that cover the source at a row. Both ends
// of the span move in one direction from row to row, even if it is empty.
func (t *tiles) tapsAt(row int) tapSpan {
	var s tapSpan
	rising := t.shift[0][len(t.shift[0])-1] > t.shift[0][0]
	for _, d := range t.shift[0] {
		q := row*t.step[0] + d - t.pad[0]
		switch {
		case q >= 0 && q < t.window.src[0]:
			s.to++
		case (q < 0) == rising:
			s.from++
			s.to++
		}
	}
	return s
}

// cost returns the approximate cost of a pixel of the result, in multiply-adds.
func (t *tiles) cost(u *gemm.Micro) int {
	width := 0
	for j := 0; j < t.dstChannels; j += u.Panel() {
		width += u.Width(t.dstChannels - j)
	}
	taps := 0
	for _, s := range t.spans {
		taps += s.to - s.from
	}
	return t.depth()*width*taps/(len(t.spans)*t.outer) + transposeCost*t.dstChannels + copyCost*t.channels
}

func (t *tiles) run(op parallel.Op) {
	g := t.geometry
	t.measure()
	t.take(op.Workspace(t.packedSize()))
	t.packing = true
	t.pool.RunWork(g.macs(), g.Group*t.panels, t)
	t.packing = false
	t.pool.RunWork(g.macs(), g.Group*t.chunks(g.Batch), t)
}

// measure sets the sizes of the panels for a run.
func (t *tiles) measure() {
	u := t.micro
	t.panels = gemm.CeilDiv(t.dstChannels, u.Panel())
	t.width = (t.panels-1)*u.Panel() + u.Width(t.dstChannels-(t.panels-1)*u.Panel())
}

// packedSize returns the number of elements of the packed weights and biases.
func (t *tiles) packedSize() int { return t.geometry.Group * t.width * (t.depth() + 1) }

// take takes the room for them from the start of shared, and returns the rest.
func (t *tiles) take(shared []float32) []float32 {
	biases, n := t.geometry.Group*t.width, t.packedSize()
	t.packedBias, t.packed = shared[:biases], shared[biases:n]
	return shared[n:]
}

// Do packs or computes part i.
func (t *tiles) Do(worker, i int) {
	if t.packing {
		t.pack(worker, i/t.panels, i%t.panels)
		return
	}
	t.compute(worker, i%t.geometry.Group, t.chunk(t.geometry.Batch, i/t.geometry.Group))
}

// panel returns the first channel, the number of channels and the width of a panel.
func (t *tiles) panel(i int) (j, n, w int) {
	j = i * t.micro.Panel()
	n = min(t.micro.Panel(), t.dstChannels-j)
	return j, n, t.micro.Width(n)
}

// pack packs the weights for a panel: a row for each channel of the source and
// each tap, a column for each channel of the result.
func (t *tiles) pack(worker, group, panel int) {
	j, n, w := t.panel(panel)
	depth := t.depth()
	dst := t.packed[(group*t.width+j)*depth:][:depth*w]
	if n < w {
		clear(dst)
	}
	if t.backward {
		t.packBackward(group, j, n, w, dst)
		return
	}
	// Packed in the order of the weights, then reordered for the sum.
	inner := t.nTaps / t.outer
	rows := t.pool.Scratch(worker, depth*w)
	t.micro.TransposeTo(n, depth, t.weight[(group*t.dstChannels+j)*depth:], depth, rows, w)
	for a := range t.outer {
		t.micro.CopyTo(t.channels, inner*w, rows[a*inner*w:], t.nTaps*w, dst[a*t.channels*inner*w:], inner*w)
	}
	bias := t.packedBias[group*t.width+j:][:w]
	if t.bias == nil {
		clear(bias)
	} else {
		clear(bias[copy(bias, t.bias[group*t.dstChannels+j:][:n]):])
	}
}

// packBackward packs the weights for the n channels from j on.
func (t *tiles) packBackward(group, j, n, w int, dst []float32) {
	inner, taps := t.nTaps/t.outer, t.geometry.taps
	for o := range t.channels {
		src := t.weight[((group*t.channels+o)*t.dstChannels+j)*taps:][:n*taps]
		for i, tap := range t.kernelTaps {
			row := dst[((i/inner*t.channels+o)*inner+i%inner)*w:][:n]
			if t.outer > 1 {
				row = dst[(i*t.channels+o)*w:][:n]
			}
			for c := range row {
				row[c] = src[c*taps+tap]
			}
		}
	}
}

// compute computes a chunk of the result.
func (t *tiles) compute(worker, group int, c chunk) {
	groups := t.geometry.Group
	rows := c.images * c.pixels
	copied := t.copySize()
	buf := t.pool.Scratch(worker, copied+rows*t.micro.Panel())
	x, sums := buf[:copied], buf[copied:]
	t.fill(t.micro, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
	spans := t.spansOf(c)
	for panel := range t.panels {
		j, n, w := t.panel(panel)
		t.sum(group, j, w, rows, spans, x, sums)
		for i := range c.images {
			from := sums[i*c.pixels*w:]
			at := (((c.image+i)*groups+group)*t.dstChannels+j)*t.dstSize + c.first
			t.micro.TransposeTo(c.pixels, n, from, w, t.dst[at:], t.dstSize)
			t.finish(group*t.dstChannels+j, n, at, c.pixels)
		}
	}
}

// spansOf returns the spans of the tiles of a chunk.
func (t *tiles) spansOf(c chunk) []tapSpan {
	return t.spans[c.row/t.rows*t.bandTiles():][:gemm.CeilDiv(c.images*c.pixels, gemm.TileRows)]
}

// sum computes the sums of some rows, whose tiles have the given spans, for the panel of
// width w whose first channel is j.
func (t *tiles) sum(group, j, w, rows int, spans []tapSpan, x, sums []float32) {
	depth := t.depth()
	packed := t.packed[(group*t.width+j)*depth:]
	var init *float32
	if t.bias != nil {
		init = &t.packedBias[group*t.width+j]
	}
	tile := t.micro.Tile(w)
	for k := 0; k < depth; k += sumDepth {
		for i, n := 0, 0; i < len(spans); i += n {
			span := spans[i]
			for n = 1; i+n < len(spans) && spans[i+n] == span; n++ {
			}
			start := span.from * depth / t.outer
			from, to := max(start, k), min(span.to*depth/t.outer, k+sumDepth)
			at := i * gemm.TileRows
			height := min(n*gemm.TileRows, rows-at)
			switch {
			case from == start && (from < to || k == 0):
				from = min(from, depth-1) // if the span is empty
				tile(height, max(0, to-from), &x[0], &t.pixels[at], &t.terms[from], &packed[from*w], init, 0, &sums[at*w], w)
			case from < to:
				tile(height, to-from, &x[0], &t.pixels[at], &t.terms[from], &packed[from*w], &sums[at*w], w, &sums[at*w], w)
			}
		}
	}
}
