package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// denseGradPixels is the approximate number of pixels of a piece. Half and twice as many are
	// as fast on a Zen 4.
	denseGradPixels = 256

	// denseGradRows and denseGradCols are the largest numbers of rows and of columns of a block:
	// the more rows, the less often the columns are transposed. The sums take 256 KiB.
	denseGradRows = 1024
	denseGradCols = 64

	// denseGradParts is the minimum number of parts, for many threads, unless blocks would have
	// fewer rows than denseGradLeast.
	denseGradParts = 16
	denseGradLeast = 64

	// gatherStep is the number of planes of x whose pixels a part gathers.
	gatherStep = 16
)

// denseGrad computes the gradient of the weights of kernels of one pixel: a product of two
// matrices over the pixels. The elements of one, its rows, are multiplied by vectors of the
// other, which is transposed, its columns. The rows are read in place: the processor brings what
// follows in each of them while it multiplies. With a stride, the pixels of x that are used are
// gathered first. A part computes a block of sums over some of the pieces of the batch, and then
// the parts' sums are added in order.
type denseGrad struct {
	geometry *geometry
	rowAt    []int // with a stride: where the rows of pixels begin in a channel of x
	images   int   // of a piece
	pixels   int   // of an image in a piece
	slices   int   // pieces of an image
	lanes    int   // that the rest is for; 0: nothing yet
	rows     denseSide
	cols     denseSide
	rowTable []int32 // offsets of the rows of a block
	offsets  []int32 // of the pixels of a piece in a row

	// Used during a run.
	micro    *gemm.Micro
	pool     *parallel.Pool
	phase    gradPhase
	parts    int // of the pieces
	sumSize  int // of the sums of a part
	sums     []float32
	x        []float32
	gathered []float32 // with a stride: the pixels of x that are used
	dweight  []float32
	bias     gradBias
}

// A gradPhase is a run of a denseGrad.
type gradPhase int

const (
	gathering gradPhase = iota
	summing
	reducing
)

// A denseSide is the channels or the outputs.
type denseSide struct {
	outputs       bool
	n             int // of a group
	block, blocks int // of a block, and blocks of a group
	data          []float32
}

// newDenseGrad returns nil if it does not apply to the convolution.
func newDenseGrad(g *geometry, w *window) *denseGrad {
	if g.taps != 1 || !w.whole || min(g.groupChannels(), g.groupOutputs()) < 2 || g.outSize > maxCopy {
		return nil
	}
	t := &denseGrad{geometry: g, images: 1, pixels: g.outSize}
	if g.inSize != g.outSize {
		t.rowAt = g.rowStarts()
	}
	return t
}

// prepare chooses the blocks.
func (t *denseGrad) prepare(u *gemm.Micro) {
	if t.lanes == u.Lanes {
		return
	}
	g := t.geometry
	t.lanes = u.Lanes
	if g.outSize <= denseGradPixels {
		t.images = min(g.Batch, denseGradPixels/g.outSize)
	} else {
		t.pixels = min(g.outSize, gemm.RoundUp(gemm.CeilDiv(g.outSize, gemm.CeilDiv(g.outSize, denseGradPixels)), 16))
	}
	t.slices = gemm.CeilDiv(g.outSize, t.pixels)
	t.rows = denseSide{n: g.groupChannels()}
	t.cols = denseSide{outputs: true, n: g.groupOutputs()}
	if denseGradCost(u, t.cols.n, t.rows.n) < denseGradCost(u, t.rows.n, t.cols.n) {
		t.rows, t.cols = t.cols, t.rows
	}
	t.cols.cut(denseGradCols, u.Panel())
	for n := denseGradRows; n >= denseGradLeast; n /= 2 {
		t.rows.cut(min(n, maxCopy/g.outSize), gemm.TileRows)
		if t.blocks()*t.pieces() >= denseGradParts {
			break
		}
	}
	t.rowTable = multiples(nil, t.rows.block, g.outSize)
	t.offsets = extend(multiples(nil, t.images, 1), g.Group*t.rows.n*g.outSize, t.pixels, func(i int) int { return i })
}

// denseGradCost returns the approximate cost of a pixel, in multiply-adds.
func denseGradCost(u *gemm.Micro, rows, cols int) int {
	width := (gemm.CeilDiv(cols, u.Panel())-1)*u.Panel() + u.Width((cols-1)%u.Panel()+1)
	return rows*width + transposeCost*cols
}

// blocks returns the number of blocks, and pieces that of the pieces of the batch.
func (t *denseGrad) blocks() int { return t.geometry.Group * t.rows.blocks * t.cols.blocks }
func (t *denseGrad) pieces() int { return gemm.CeilDiv(t.geometry.Batch, t.images) * t.slices }

// cut cuts a side into blocks of about the given size, multiples of unit if there are several.
func (s *denseSide) cut(about, unit int) {
	s.blocks = gemm.CeilDiv(s.n, about)
	s.block = min(s.n, gemm.RoundUp(gemm.CeilDiv(s.n, s.blocks), unit))
	s.blocks = gemm.CeilDiv(s.n, s.block)
}

// run adds the gradient of the weights to dweight and, unless dbias is nil, that of the bias
// to dbias.
func (t *denseGrad) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	g, p := t.geometry, op.Pool()
	t.micro, t.pool, t.dweight = gemm.Active(), p, dweight
	t.prepare(t.micro)
	blocks := t.blocks()
	t.parts = min(gemm.CeilDiv(denseGradParts, blocks), t.pieces())
	t.sumSize = t.rows.block * gemm.RoundUp(t.cols.block, t.micro.Lanes)
	n, gathered := blocks*t.parts*t.sumSize, 0
	if t.rowAt != nil {
		gathered = g.Batch * g.Channels * g.outSize
	}
	shared := op.Workspace(n + gathered)
	t.x, t.sums, t.gathered = x, shared[:n], shared[n:]
	if t.rowAt != nil {
		t.phase = gathering
		p.RunWork(g.macs(), gemm.CeilDiv(g.Batch*g.Channels, gatherStep), t)
		x = t.gathered
	}
	for _, s := range []*denseSide{&t.rows, &t.cols} {
		s.data = x
		if s.outputs {
			s.data = dy
		}
	}
	t.bias.begin(g, t.parts, dy, dbias)
	t.phase = summing
	p.RunWork(g.macs(), blocks*t.parts, t)
	t.phase = reducing
	p.RunWork(g.macs(), blocks, t)
	t.pool, t.x, t.gathered, t.rows.data, t.cols.data, t.dweight, t.sums = nil, nil, nil, nil, nil, nil, nil
	t.bias.end()
}

// A denseBlock is a block of sums: rows from row on, and columns from col on, of a group.
type denseBlock struct{ group, row, rows, col, cols int }

// block returns block i.
func (t *denseGrad) block(i int) denseBlock {
	b := denseBlock{col: i % t.cols.blocks * t.cols.block, row: i / t.cols.blocks % t.rows.blocks * t.rows.block}
	b.group = i / t.cols.blocks / t.rows.blocks
	b.rows, b.cols = min(t.rows.block, t.rows.n-b.row), min(t.cols.block, t.cols.n-b.col)
	return b
}

// Do computes part i of a run: it gathers the pixels of some planes, computes one block of
// sums over a part of the batch, or adds the sums of all parts to the gradient.
func (t *denseGrad) Do(worker, i int) {
	switch t.phase {
	case gathering:
		for plane := i * gatherStep; plane < min((i+1)*gatherStep, t.geometry.Batch*t.geometry.Channels); plane++ {
			t.gather(worker, plane)
		}
	case summing:
		t.sum(worker, i)
	case reducing:
		t.reduce(worker, i)
	}
}

// gather copies the pixels of a plane of x that are used.
func (t *denseGrad) gather(worker, plane int) {
	g := t.geometry
	axis := len(g.out) - 1
	line, step, x, dst := g.out[axis], g.Stride[axis], t.x[plane*g.inSize:], t.gathered[plane*g.outSize:]
	between := t.pool.Scratch(worker, line)
	for i, at := range t.rowAt {
		takeSteps(x[at:][:(line-1)*step+1], step, line, dst[i*line:], between) // up to the last pixel, so it writes no more
	}
}

// sum computes one block of sums over a part of the batch. All blocks of a part read the same
// rows, one after the other.
func (t *denseGrad) sum(worker, i int) {
	g, u := t.geometry, t.micro
	part, i := i/t.blocks(), i%t.blocks()
	b, sums := t.block(i), t.sums[(i*t.parts+part)*t.sumSize:][:t.sumSize]
	k, width := t.images*t.pixels, gemm.RoundUp(b.cols, u.Lanes)
	cols := t.pool.Scratch(worker, k*width)
	if b.cols < width {
		clear(cols)
	}
	o, outputs := t.outputs(b)
	t.bias.clear(part, o, outputs)
	pieces := t.pieces()
	var init *float32
	for piece := part * pieces / t.parts; piece < (part+1)*pieces/t.parts; piece++ {
		image, first := piece/t.slices*t.images, piece%t.slices*t.pixels
		images, pixels := min(t.images, g.Batch-image), min(t.pixels, g.outSize-first)
		rows := t.plane(&t.rows, image, b.group, b.row)[first:]
		for c := 0; c < b.cols; c += u.Panel() {
			n := min(u.Panel(), b.cols-c)
			w := u.Width(n)
			panel := cols[c*k:][:k*w]
			for i := range images {
				u.TransposeTo(n, pixels, t.plane(&t.cols, image+i, b.group, b.col+c)[first:], g.outSize, panel[i*pixels*w:], w)
			}
			from := c * b.rows
			if init != nil {
				init = &sums[from]
			}
			u.Tile(w)(b.rows, images*pixels, &rows[0], &t.rowTable[0], &t.offsets[0], &panel[0], init, w, &sums[from], w)
		}
		init = &sums[0]
		for i := range images {
			t.bias.add(part, image+i, o, outputs, first, pixels)
		}
	}
}

// outputs returns the outputs whose bias a block sums: the first one, of all groups, and
// their number, which is 0 unless the block has the first channels.
func (t *denseGrad) outputs(b denseBlock) (o, n int) {
	switch {
	case t.rows.outputs && b.col == 0:
		return b.group*t.rows.n + b.row, b.rows
	case t.cols.outputs && b.row == 0:
		return b.group*t.cols.n + b.col, b.cols
	}
	return 0, 0
}

// plane returns the planes of a side from channel or output i of a group on.
func (t *denseGrad) plane(s *denseSide, image, group, i int) []float32 {
	return s.data[((image*t.geometry.Group+group)*s.n+i)*t.geometry.outSize:]
}

// reduce adds the sums of all parts to the gradient of a block, and to that of the bias.
func (t *denseGrad) reduce(worker, i int) {
	u, b := t.micro, t.block(i)
	all := t.sums[i*t.parts*t.sumSize:]
	sums := all[:t.sumSize]
	for part := 1; part < t.parts; part++ {
		vec.Axpy(1, all[part*t.sumSize:][:t.sumSize], sums)
	}
	t.bias.reduce(t.outputs(b))
	transposed := t.pool.Scratch(worker, u.Panel()*b.rows)
	for c := 0; c < b.cols; c += u.Panel() {
		n := min(u.Panel(), b.cols-c)
		w := u.Width(n)
		panel := sums[c*b.rows:]
		if t.rows.outputs {
			for r := range b.rows {
				at := (b.group*t.rows.n+b.row+r)*t.cols.n + b.col + c
				vec.Axpy(1, panel[r*w:][:n], t.dweight[at:][:n])
			}
			continue
		}
		u.TransposeTo(b.rows, n, panel, w, transposed, b.rows)
		for j := range n {
			at := (b.group*t.cols.n+b.col+c+j)*t.rows.n + b.row
			vec.Axpy(1, transposed[j*b.rows:][:b.rows], t.dweight[at:][:b.rows])
		}
	}
}
