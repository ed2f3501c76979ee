package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// gradRows is the approximate number of sums, one per channel and tap, that a part
	// computes for each output, and gradOutputs the largest number of outputs: their sums
	// stay in the L2 cache.
	gradRows    = 576
	gradOutputs = 128

	// gradPanel is the number of elements of dy that are multiplied at a time: 24 KiB stay in
	// the L1 cache while all rows of sums pass.
	gradPanel = 6 << 10

	// leastGradParts is the minimum number of parts, for many threads.
	leastGradParts = 32
)

// gradPlan is the gradient of the weights: the product of the gathered taps of x and
// dy, over the pixels. A part computes the sums of some channels of x and a block of
// the outputs, in panels, over a part of the batch. Then the parts' sums are added in order.
// The parts that see the first channels also sum dy for the gradient of the bias.
type gradPlan struct {
	window    // of the channels of a part
	geometry  *geometry
	ranges    int            // pieces of the channels of a group
	prepared  bool           // the first run has prepared it
	rows      rowsGrad       // used instead where it fits
	singles   singlesGrad    // used instead where it fits
	depthwise *depthwiseGrad // used instead; nil if it does not apply
	dense     *denseGrad     // used instead; nil if it does not apply
	lines     *linesGrad     // used instead where it fits; nil if it does not apply
	bias      biasTask       // then

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	outputs        int // of a block
	blocks         int // of the outputs of a group
	parts          int // of the batch
	sumSize        int // of the sums of a part
	sums           []float32
	x, dy, dweight []float32
	sumBias        gradBias
}

func newGradPlan(g *geometry) (*gradPlan, error) {
	// As many channels as fill whole tiles.
	unit := 1
	for unit*g.taps%gemm.TileRows != 0 {
		unit++
	}
	channels := min(g.groupChannels(), max(1, gradRows/g.taps/unit)*unit)
	t := &gradPlan{geometry: g, window: forwardWindow(g, channels), ranges: gemm.CeilDiv(g.groupChannels(), channels)}
	t.split = depthwise(g) && t.splittable()
	t.lines = newLinesGrad(g)
	return t, t.window.init(g.Batch)
}

// prepare makes the tables.
func (t *gradPlan) prepare() {
	if t.prepared {
		return
	}
	t.prepared = true
	t.window.tables()
	t.depthwise = newDepthwiseGrad(t.geometry, &t.window)
	t.dense = newDenseGrad(t.geometry, &t.window)
}

// bySingles reports whether singlesGrad computes the gradient.
func (t *gradPlan) bySingles() bool {
	t.prepare()
	return t.dense == nil && !t.byRows() && t.singles.fits(&t.window, t.geometry)
}

// byRows reports whether rowsGrad computes the gradient.
func (t *gradPlan) byRows() bool {
	t.prepare()
	return t.dense == nil && t.rows.fits(&t.window, t.geometry) && t.rows.fastGrad()
}

// mapsInput reports whether the gradient can be that of a map of x.
func (t *gradPlan) mapsInput() bool { return t.byRows() || t.bySingles() }

// run adds the gradient of the weights to dweight and, unless dbias is nil, that of the bias
// to dbias.
func (t *gradPlan) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	t.prepare()
	if t.dense != nil {
		t.dense.run(op, x, dy, dweight, dbias)
		return
	}
	rows := t.byRows()
	if singles := t.bySingles(); rows || singles || t.depthwise != nil {
		switch {
		case rows:
			t.rows.run(op, x, dy, dweight)
		case singles:
			t.singles.run(op, x, dy, dweight)
		default:
			t.depthwise.run(op.Pool(), x, dy, dweight)
		}
		if dbias != nil {
			t.bias.run(op.Pool(), t.geometry, dy, dbias)
		}
		return
	}
	t.micro = gemm.Active()
	if t.lines != nil && t.lines.fits(t.micro) {
		t.lines.run(op, x, dy, dweight, dbias)
		return
	}
	g, p := t.geometry, op.Pool()
	t.pool, t.x, t.dy, t.dweight = p, x, dy, dweight
	t.cutOutputs()
	blocks := g.Group * t.blocks * t.ranges
	t.parts = min(gemm.CeilDiv(leastGradParts, blocks), t.chunks(g.Batch))
	t.sumSize = t.channels * g.taps * gemm.RoundUp(t.outputs, t.micro.Lanes)
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	t.sumBias.begin(g, t.parts, dy, dbias)
	t.reducing = false
	p.RunWork(g.macs(), blocks*t.parts, t)
	t.reducing = true
	p.RunWork(g.macs(), blocks, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
	t.sumBias.end()
}

// cutOutputs cuts the outputs of a group into blocks of whole panels.
func (t *gradPlan) cutOutputs() {
	n := t.geometry.groupOutputs()
	t.blocks = gemm.CeilDiv(n, gradOutputs)
	t.outputs = min(n, gemm.RoundUp(gemm.CeilDiv(n, t.blocks), t.micro.Panel()))
	t.blocks = gemm.CeilDiv(n, t.outputs)
}

// Do computes one block of sums over a part of the batch, or adds the sums of all parts
// to the gradient.
func (t *gradPlan) Do(worker, i int) {
	block, part := i, 0
	if !t.reducing {
		block, part = i/t.parts, i%t.parts
	}
	g := t.geometry
	group := block / (t.blocks * t.ranges)
	o := block / t.ranges % t.blocks * t.outputs
	ch := block % t.ranges * t.channels
	n, channels := min(t.outputs, g.groupOutputs()-o), min(t.channels, g.groupChannels()-ch)
	sums := t.sums[block*t.parts*t.sumSize:]
	if t.reducing {
		t.reduce(worker, sums, group*g.groupOutputs()+o, n, ch, channels)
		return
	}
	t.sum(worker, part, sums[part*t.sumSize:][:t.sumSize], group*g.groupOutputs()+o, n, group*g.groupChannels()+ch, channels)
}

// sum computes sums for a part of the batch: a row for each channel of x, from ch on,
// and each tap, a column for each of n outputs from o on, panel by panel.
func (t *gradPlan) sum(worker, part int, sums []float32, o, n, ch, channels int) {
	g, u := t.geometry, t.micro
	rows := channels * g.taps
	copied := t.copySize()
	buf := t.pool.Scratch(worker, copied+gradPanel)
	x, dy := buf[:copied], buf[copied:]
	outputs := n // whose bias this part sums
	if ch%g.groupChannels() > 0 {
		outputs = 0
	}
	t.sumBias.clear(part, o, outputs)
	chunks := t.chunks(g.Batch)
	first := true
	for i := part * chunks / t.parts; i < (part+1)*chunks/t.parts; i++ {
		c := t.chunk(g.Batch, i)
		for i := range c.images {
			t.sumBias.add(part, c.image+i, o, outputs, c.first, c.pixels)
		}
		t.fill(u, c, channels, t.x[ch*t.srcSize:], g.Channels*t.srcSize, x)
		for j := 0; j < n; j += u.Panel() {
			t.multiply(c, o+j, min(u.Panel(), n-j), rows, x, dy, first, sums[j*rows:])
		}
		first = false
	}
}

// multiply adds the products of a chunk, whose copy is x, with a panel of n outputs from o on
// to sums, which it sets in the first chunk.
func (t *gradPlan) multiply(c chunk, o, n, rows int, x, dy []float32, first bool, sums []float32) {
	w, pixels := t.micro.Width(n), c.images*c.pixels
	pieces := gemm.CeilDiv(pixels, gradPanel/w)
	depth := gemm.CeilDiv(pixels, pieces)
	if n < w {
		clear(dy)
	}
	init := &sums[0]
	if first {
		init = nil
	}
	for k := 0; k < pixels; k += depth {
		d := min(depth, pixels-k)
		t.gather(c, k, d, o, n, w, dy)
		t.micro.Tile(w)(rows, d, &x[0], &t.taps[0], &t.pixels[k], &dy[0], init, w, &sums[0], w)
		init = &sums[0]
	}
}

// gather packs the pixels k to k+d-1 of a chunk of dy, of n outputs from o on, into rows of
// width w.
func (t *gradPlan) gather(c chunk, k, d, o, n, w int, dst []float32) {
	for q := k; q < k+d; {
		image, at := q/c.pixels, q%c.pixels
		m := min(k+d-q, c.pixels-at)
		src := t.dy[((c.image+image)*t.geometry.Outputs+o)*t.outSize+c.first+at:]
		t.micro.TransposeTo(n, m, src, t.outSize, dst[(q-k)*w:], w)
		q += m
	}
}

// reduce adds the sums of all parts to the gradient of n outputs from o on and the
// channels from ch on of their group, and to that of the bias.
func (t *gradPlan) reduce(worker int, sums []float32, o, n, ch, channels int) {
	g, u, rows := t.geometry, t.micro, channels*t.geometry.taps
	if ch == 0 {
		t.sumBias.reduce(o, n)
	}
	for part := 1; part < t.parts; part++ {
		vec.Axpy(1, sums[part*t.sumSize:][:t.sumSize], sums[:t.sumSize])
	}
	transposed := t.pool.Scratch(worker, u.Panel()*rows)
	for j := 0; j < n; j += u.Panel() {
		cols := min(u.Panel(), n-j)
		u.TransposeTo(rows, cols, sums[j*rows:], u.Width(cols), transposed, rows)
		for i := range cols {
			at := ((o+j+i)*g.groupChannels() + ch) * g.taps
			vec.Axpy(1, transposed[i*rows:][:rows], t.dweight[at:][:rows])
		}
	}
}
