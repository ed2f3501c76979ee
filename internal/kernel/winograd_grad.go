package kernel

import "github.com/gocaffe/gocaffe/parallel"

const (
	// winogradChunk bounds the transformed tiles that all threads multiply
	// together, so that they stay in the L3 cache.
	winogradChunk = 2 << 20

	// winogradGradDepth is over how many tiles the products of F(2x2,5x5) are
	// summed before they are added to the rest: its last transform makes rounding
	// errors larger than that of F(4x4,3x3), so there must be fewer.
	winogradGradDepth = 64

	// winogradPart bounds those that one thread multiplies.
	winogradPart = 1200 << 10

	// winogradParts is into how many parts the batch is cut for as many threads,
	// and winogradSums bounds the sums that each then has.
	winogradParts = 8
	winogradSums  = 1 << 20

	// winogradOutputs is for how many outputs a task transforms the sums.
	winogradOutputs = 16
)

// winogradGrad is the gradient of the weights by Winograd's algorithm. The
// batch is cut into chunks of blocks. The tiles of x and of dy of a chunk are
// transformed, and then the n² pairs of matrices are multiplied, summing
// over the tiles, and added to the products of the chunks before. At the end
// the sums are transformed.
//
// Where there are few weights, each task does that for a part of the batch and
// has sums of its own, which are added up in the order of the parts. Where
// there are many, there is but one part, and all threads work on the same chunk.
type winogradGrad struct {
	w     *winograd // the forward pass
	chunk int       // blocks
	parts int

	step           winogradGradStep
	u              *micro
	pool           *Pool
	group          int
	first, n       int // with one part: the blocks of the chunk
	most           int // tiles of the largest chunk
	panels, width  int // of the channels
	depth          int // outputs, in whole vectors
	rows           int // outputs, in whole tiles of the micro-kernel
	xSlot, dySlot  int // from one matrix to the next
	tiles, sums    []float32
	rowAt, colAt   []int32
	x, dy, dweight []float32
	dbias          []float32 // nil: is not wanted
	dySums         []float64 // of each band of a plane
}

type winogradGradStep int

const (
	sumPart winogradGradStep = iota
	transformTiles
	multiplyTiles
	transformSums
)

func newWinogradGrad(w *winograd) *winogradGrad {
	t := &winogradGrad{w: w, parts: 1}
	tile := w.matrices() * (w.channels + w.outputs)
	tiles := winogradChunk / tile
	// Not for F(2x2,5x5), whose sums are short already: LeNet's golden losses, which
	// hang on near ties, are those of this order.
	if w.r == 3 && w.matrices()*w.channels*w.outputs <= winogradSums {
		tiles = winogradPart / tile
		t.parts = winogradParts
	}
	t.chunk = min(max(1, tiles/w.blockTiles()), w.blocks())
	t.parts = min(t.parts, ceilDiv(w.blocks(), t.chunk))
	return t
}

// run adds the gradient of the weights to dweight and, unless that is nil, that
// of the bias to dbias: the numbers of dy are summed where they are read anyway.
func (t *winogradGrad) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	w, p := t.w, op.Pool()
	t.u, t.pool, t.x, t.dy, t.dweight, t.dbias = &micros[active], p, x, dy, dweight, dbias
	if n := w.batch * w.bands * w.outputs; dbias != nil && len(t.dySums) < n {
		t.dySums = make([]float64, n)
	}
	w.tables(t.u.lanes)
	t.most = t.chunk * w.blockTiles()
	t.panels = ceilDiv(w.channels, t.u.panel())
	t.width = (t.panels-1)*t.u.panel() + t.u.width(w.channels-(t.panels-1)*t.u.panel())
	t.depth = roundUp(w.outputs, t.u.lanes)
	t.rows = roundUp(w.outputs, tileRows)
	t.rowAt, t.colAt = numbers(t.rowAt, t.rows, 1), numbers(t.colAt, t.most, t.depth)
	t.xSlot, t.dySlot = roundUp(t.most*t.width, 16)+16, roundUp(t.most*t.depth, 16)+16
	sums, tiles := t.parts*t.sumSize(), t.tileSize()
	if t.parts > 1 {
		tiles = 0 // each part has its own
	}
	shared := op.Workspace(sums + tiles)
	t.sums, t.tiles = shared[:sums], shared[sums:]
	for t.group = range w.groups {
		if t.parts > 1 {
			t.step = sumPart
			p.Run(t.parts, t)
		} else {
			for t.first = 0; t.first < w.blocks(); t.first += t.chunk {
				t.n = min(t.chunk, w.blocks()-t.first)
				t.step = transformTiles
				p.Run(2*t.n*w.images, t)
				t.step = multiplyTiles
				p.Run(w.matrices()*t.panels, t)
			}
		}
		t.step = transformSums
		p.Run(t.panels*ceilDiv(w.outputs, winogradOutputs), t)
	}
	t.pool, t.x, t.dy, t.dweight, t.dbias, t.tiles, t.sums = nil, nil, nil, nil, nil, nil, nil
}

// sumSize and tileSize return how many numbers the sums of a part and the
// transformed tiles of a chunk take.
func (t *winogradGrad) sumSize() int  { return t.w.matrices() * t.rows * t.width }
func (t *winogradGrad) tileSize() int { return t.w.matrices() * (t.xSlot + t.dySlot) }

// Do runs part i of a step.
func (t *winogradGrad) Do(worker, i int) {
	switch t.step {
	case sumPart:
		t.sumPart(worker, i)
	case transformTiles:
		t.transform(worker, t.first, t.first+i/(2*t.w.images), i/2%t.w.images, i%2 == 1, t.tiles)
	case multiplyTiles:
		t.multiply(i/t.panels, i%t.panels, t.first, t.n, t.tiles, t.sums, t.pool.Scratch(worker, t.spare()), t.first == 0)
	case transformSums:
		t.finish(worker, i%t.panels, i/t.panels*winogradOutputs)
	}
}

// sumPart makes the sums of a part of the batch.
func (t *winogradGrad) sumPart(worker, part int) {
	chunks := ceilDiv(t.w.blocks(), t.chunk)
	// Behind what transform takes of the same buffer.
	tiles := t.pool.Scratch(worker, t.pixels()+t.tileSize()+t.spare())[t.pixels():]
	tiles, spare := tiles[:t.tileSize()], tiles[t.tileSize():]
	sums := t.sums[part*t.sumSize():][:t.sumSize()]
	start := part * chunks / t.parts
	for c := start; c < (part+1)*chunks/t.parts; c++ {
		first := c * t.chunk
		n := min(t.chunk, t.w.blocks()-first)
		for i := range n {
			for image := range t.w.images {
				t.transform(worker, first, first+i, image, false, tiles)
				t.transform(worker, first, first+i, image, true, tiles)
			}
		}
		for xi := range t.w.matrices() {
			for panel := range t.panels {
				t.multiply(xi, panel, first, n, tiles, sums, spare, c == start)
			}
		}
	}
}

// spare returns how many numbers the sums of a panel take.
func (t *winogradGrad) spare() int { return t.rows * t.u.panel() }

// panel returns the first channel, the number of channels and the width of a
// panel.
func (t *winogradGrad) panel(i int) (j, n, width int) {
	j = i * t.u.panel()
	n = min(t.u.panel(), t.w.channels-j)
	return j, n, t.u.width(n)
}

// pixels returns how much room transform takes.
func (t *winogradGrad) pixels() int {
	return winogradTemporary + (t.w.maxPixels()+1)*t.u.lanes
}

// transform transforms the tiles of an image of a block, those of x or of dy,
// in the chunk that begins with block first.
func (t *winogradGrad) transform(worker, first, block, image int, dy bool, tiles []float32) {
	w := t.w
	n := block/w.bands*w.images + image
	if n >= w.batch {
		return // the last block has fewer
	}
	band := block % w.bands
	tile := w.start(block) - w.start(first) + image*w.band[band].tiles
	buf := t.pool.Scratch(worker, t.pixels())
	tmp, pixels := buf[:winogradTemporary], buf[winogradTemporary:]
	if dy {
		t.transformGrad(n, band, tile, tiles[w.matrices()*t.xSlot:], pixels, &tmp[0])
	} else {
		t.transformInput(n, band, tile, tiles, pixels, &tmp[0])
	}
}

// transformInput transforms a band of image n of x to the tiles from tile on.
func (t *winogradGrad) transformInput(n, band, tile int, xs, pixels []float32, tmp *float32) {
	w, u, b := t.w, t.u, &t.w.band[band]
	plane := w.src[0] * w.src[1]
	for c := 0; c < w.channels; c += u.lanes {
		src := t.x[((n*w.groups+t.group)*w.channels+c)*plane+b.src:]
		u.interleave(min(u.lanes, w.channels-c), b.srcPixels, src, plane, pixels)
		j, _, width := t.panel(c / u.panel())
		u.winograd[w.which].input(b.tiles, &w.in[b.first*w.matrices()], &pixels[0], &xs[j*t.most+tile*width+c-j], width, t.xSlot, tmp)
	}
}

// transformGrad does the same for dy, and sums its planes for the gradient of
// the bias.
func (t *winogradGrad) transformGrad(n, band, tile int, dys, pixels []float32, tmp *float32) {
	w, u, b := t.w, t.u, &t.w.band[band]
	plane := w.dst[0] * w.dst[1]
	for o := 0; o < w.outputs; o += u.lanes {
		src := t.dy[((n*w.groups+t.group)*w.outputs+o)*plane+b.dst:]
		outputs := min(u.lanes, w.outputs-o)
		u.interleave(outputs, b.dstPixels, src, plane, pixels)
		for i := 0; t.dbias != nil && i < outputs; i++ {
			t.dySums[(n*w.bands+band)*w.outputs+o+i] = Sum64(src[i*plane:][:b.dstPixels])
		}
		u.winograd[w.which].grad(b.tiles, &w.out[b.first*w.m*w.m], &pixels[0], &dys[tile*t.depth+o], t.depth, t.dySlot, tmp)
	}
}

// multiply adds the product of matrices xi of dy and of a panel of x, over the
// tiles of n blocks from first on, to the sums, or starts them. spare is room
// for the sums of a panel.
func (t *winogradGrad) multiply(xi, panel, first, n int, tiles, sums, spare []float32, start bool) {
	w := t.w
	j, _, width := t.panel(panel)
	xs, dys := tiles[xi*t.xSlot+j*t.most:], tiles[w.matrices()*t.xSlot+xi*t.dySlot:]
	sums = sums[(xi*t.width+j)*t.rows:][:t.rows*width]
	count := w.start(first+n) - w.start(first)
	depth := convDepth
	if w.r == 5 {
		depth = winogradGradDepth
	}
	for k := 0; k < count; k += depth {
		into, init := sums, &sums[0]
		switch {
		case start && k == 0:
			init = nil
		case w.r == 5:
			into, init = spare[:len(sums)], nil
		}
		t.u.tile(width)(t.rows/tileRows, min(depth, count-k), &dys[0], &t.rowAt[0], &t.colAt[k], &xs[k*width], init, width, &into[0], width)
		if w.r == 5 && &into[0] != &sums[0] {
			Axpy(1, into, sums)
		}
	}
}

// finish adds up the sums of a panel for some outputs from o on, transforms
// them and adds them to the gradient.
func (t *winogradGrad) finish(worker, panel, o int) {
	w := t.w
	j, n, width := t.panel(panel)
	outputs := min(winogradOutputs, w.outputs-o)
	size := w.r * w.r
	buf := t.pool.Scratch(worker, winogradTemporary+size*width)
	tmp, taps := buf[:winogradTemporary], buf[winogradTemporary:]
	for part := 1; part < t.parts; part++ {
		for xi := range w.matrices() {
			at := (xi*t.width+j)*t.rows + o*width
			Axpy(1, t.sums[part*t.sumSize()+at:][:outputs*width], t.sums[at:][:outputs*width])
		}
	}
	for end := o + outputs; o < end; o++ {
		if panel == 0 && t.dbias != nil {
			var sum float64
			for i := o; i < w.batch*w.bands*w.outputs; i += w.outputs {
				sum += t.dySums[i]
			}
			t.dbias[t.group*w.outputs+o] += float32(sum)
		}
		t.u.winograd[w.which].filterGrad(width/t.u.lanes, &t.sums[j*t.rows+o*width], t.width*t.rows, &taps[0], width, &tmp[0])
		to := t.dweight[((t.group*w.outputs+o)*w.channels+j)*size:][:n*size]
		for c := range n {
			for tap, g := range to[c*size:][:size] {
				to[c*size+tap] = g + taps[tap*width+c]
			}
		}
	}
}
