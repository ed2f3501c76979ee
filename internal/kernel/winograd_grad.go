package kernel

const (
	// winogradGradFloats bounds the transformed tiles of a chunk, so that they
	// stay in the L3 cache.
	winogradGradFloats = 2 << 20

	// winogradGradDepth is over how many tiles the products of F(2x2,5x5) are
	// summed before they are added to the rest: its last transform makes rounding
	// errors larger than that of F(4x4,3x3), so there must be fewer.
	winogradGradDepth = 64

	// winogradPieceGrad is for how many outputs a task transforms the sums.
	winogradPieceGrad = 16
)

// winogradGrad is the gradient of the weights by Winograd's algorithm. The
// batch is cut into chunks of blocks. The tiles of x and of dy of a chunk are
// transformed, and then the n² pairs of matrices are multiplied, summing
// over the tiles, and added to the products of the chunks before. At the end
// the sums are transformed. All threads work on the same chunk.
type winogradGrad struct {
	w     *winograd // the forward pass
	chunk int       // blocks

	step            winogradGradStep
	u               *micro
	pool            *Pool
	group, first, n int // the chunk: its first block and the number of blocks
	tiles           int // of the chunk
	most            int // tiles of the largest chunk
	panels, width   int // of the channels
	depth           int // outputs, in whole vectors
	rows            int // outputs, in whole tiles of the micro-kernel
	xSlot, dySlot   int // from one matrix to the next
	xs, dys, sums   []float32
	rowAt, colAt    []int32
	x, dy, dweight  []float32
}

type winogradGradStep int

const (
	transformTiles winogradGradStep = iota
	multiplyTiles
	transformSums
)

func newWinogradGrad(w *winograd) *winogradGrad {
	matrices := w.n * w.n
	tiles := winogradGradFloats / (matrices * (w.channels + w.outputs))
	return &winogradGrad{w: w, chunk: min(max(1, tiles/w.blockTiles()), w.blocks())}
}

// run adds the gradient of the weights to dweight.
func (t *winogradGrad) run(p *Pool, x, dy, dweight []float32) {
	w := t.w
	t.u, t.pool, t.x, t.dy, t.dweight = &micros[active], p, x, dy, dweight
	w.tables(t.u.lanes)
	matrices := w.n * w.n
	t.most = t.chunk * w.blockTiles()
	t.panels = ceilDiv(w.channels, t.u.panel())
	t.width = (t.panels-1)*t.u.panel() + t.u.width(w.channels-(t.panels-1)*t.u.panel())
	t.depth = roundUp(w.outputs, t.u.lanes)
	t.rows = roundUp(w.outputs, tileRows)
	t.rowAt, t.colAt = numbers(t.rowAt, t.rows, 1), numbers(t.colAt, t.most, t.depth)
	t.xSlot, t.dySlot = roundUp(t.most*t.width, 16)+16, roundUp(t.most*t.depth, 16)+16
	shared := p.shared(matrices * (t.xSlot + t.dySlot + t.rows*t.width))
	t.xs, shared = shared[:matrices*t.xSlot], shared[matrices*t.xSlot:]
	t.dys, t.sums = shared[:matrices*t.dySlot], shared[matrices*t.dySlot:]
	for t.group = range w.groups {
		for t.first = 0; t.first < w.blocks(); t.first += t.chunk {
			t.n = min(t.chunk, w.blocks()-t.first)
			t.tiles = w.start(t.first+t.n) - w.start(t.first)
			t.step = transformTiles
			p.Run(2*t.n, t)
			t.step = multiplyTiles
			p.Run(matrices*t.panels, t)
		}
		t.step = transformSums
		p.Run(t.panels*ceilDiv(w.outputs, winogradPieceGrad), t)
	}
	t.pool, t.x, t.dy, t.dweight, t.xs, t.dys, t.sums = nil, nil, nil, nil, nil, nil, nil
}

// start returns the number of tiles before a block.
func (w *winograd) start(block int) int {
	perImage := w.tiles[0] * w.tiles[1]
	return min(block/w.bands*w.images, w.batch)*perImage + w.band[block%w.bands].first
}

// Do runs part i of a step.
func (t *winogradGrad) Do(worker, i int) {
	switch t.step {
	case transformTiles:
		t.transform(worker, t.first+i/2, i%2 == 1)
	case multiplyTiles:
		t.multiply(worker, i/t.panels, i%t.panels)
	case transformSums:
		t.finish(worker, i%t.panels, i/t.panels*winogradPieceGrad)
	}
}

// panel returns the first channel, the number of channels and the width of a
// panel.
func (t *winogradGrad) panel(i int) (j, n, width int) {
	j = i * t.u.panel()
	n = min(t.u.panel(), t.w.channels-j)
	return j, n, t.u.width(n)
}

// transform transforms the tiles of x, or of dy, of a block.
func (t *winogradGrad) transform(worker, block int, dy bool) {
	w, u, f := t.w, t.u, &t.u.winograd[t.w.which]
	lanes := u.lanes
	b := &w.band[block%w.bands]
	image := block / w.bands * w.images
	at := w.start(block) - w.start(t.first)
	buf := t.pool.buffer(worker, winogradTemporary+(w.maxPixels()+1)*lanes)
	tmp, pixels := buf[:winogradTemporary], buf[winogradTemporary:]
	for i := range min(w.images, w.batch-image) {
		tile := at + i*b.tiles
		if dy {
			places := &w.out[b.first*w.m*w.m]
			for o := 0; o < w.outputs; o += lanes {
				src := t.dy[(((image+i)*w.groups+t.group)*w.outputs+o)*w.dst[0]*w.dst[1]+b.dst:]
				u.interleave(min(lanes, w.outputs-o), b.dstPixels, src, w.dst[0]*w.dst[1], pixels)
				f.grad(b.tiles, places, &pixels[0], &t.dys[tile*t.depth+o], t.depth, t.dySlot, &tmp[0])
			}
			continue
		}
		places := &w.in[b.first*w.n*w.n]
		for c := 0; c < w.channels; c += lanes {
			src := t.x[(((image+i)*w.groups+t.group)*w.channels+c)*w.src[0]*w.src[1]+b.src:]
			u.interleave(min(lanes, w.channels-c), b.srcPixels, src, w.src[0]*w.src[1], pixels)
			j, _, width := t.panel(c / u.panel())
			f.input(b.tiles, places, &pixels[0], &t.xs[j*t.most+tile*width+c-j], width, t.xSlot, &tmp[0])
		}
	}
}

// multiply adds the product of matrices xi of dy and of a panel of x to the
// sums, or starts them.
func (t *winogradGrad) multiply(worker, xi, panel int) {
	j, _, width := t.panel(panel)
	sums := t.sums[(xi*t.width+j)*t.rows:][:t.rows*width]
	depth := convDepth
	if t.w.r == 5 {
		depth = winogradGradDepth
	}
	for k := 0; k < t.tiles; k += depth {
		first := t.first == 0 && k == 0
		into, init := sums, &sums[0]
		switch {
		case first:
			init = nil
		case t.w.r == 5:
			into, init = t.pool.buffer(worker, len(sums)), nil
		}
		t.u.tile(width)(t.rows/tileRows, min(depth, t.tiles-k), &t.dys[xi*t.dySlot], &t.rowAt[0], &t.colAt[k],
			&t.xs[xi*t.xSlot+j*t.most+k*width], init, width, &into[0], width)
		if init == nil && !first {
			Axpy(1, into, sums)
		}
	}
}

// finish transforms the sums of a panel for some outputs from o on and adds
// them to the gradient.
func (t *winogradGrad) finish(worker, panel, o int) {
	w := t.w
	j, n, width := t.panel(panel)
	size := w.r * w.r
	buf := t.pool.buffer(worker, winogradTemporary+size*width)
	tmp, taps := buf[:winogradTemporary], buf[winogradTemporary:]
	for end := min(o+winogradPieceGrad, w.outputs); o < end; o++ {
		t.u.winograd[w.which].filterGrad(width/t.u.lanes, &t.sums[j*t.rows+o*width], t.width*t.rows, &taps[0], width, &tmp[0])
		to := t.dweight[((t.group*w.outputs+o)*w.channels+j)*size:][:n*size]
		for c := range n {
			for tap, g := range to[c*size:][:size] {
				to[c*size+tap] = g + taps[tap*width+c]
			}
		}
	}
}
