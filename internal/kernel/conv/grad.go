package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// gradRows is the approximate number of sums, one per channel and tap, that a part
	// computes for each output: with a panel of outputs they stay in the L2 cache.
	gradRows = 576

	// gradPanel is the number of elements of dy that are multiplied at a time: 24 KiB stay in
	// the L1 cache while all rows of sums pass.
	gradPanel = 6 << 10

	// leastGradParts is the minimum number of parts, for many threads.
	leastGradParts = 32
)

// gradPlan is the gradient of the weights: the product of the gathered taps of x and
// dy, over the pixels. A part computes the sums of some channels of x and a panel of
// the outputs over a part of the batch. Then the parts' sums are added in order. The parts
// that see the first channels also sum dy for the gradient of the bias.
type gradPlan struct {
	window    // of the channels of a part
	geometry  *geometry
	ranges    int            // pieces of the channels of a group
	prepared  bool           // the first run has prepared it
	singles   singlesGrad    // used instead where it fits
	depthwise *depthwiseGrad // used instead; nil if it does not apply
	dense     *denseGrad     // used instead; nil if it does not apply
	bias      biasTask       // then

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	panels         int // of the outputs of a group
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
	if err := t.window.init(g.Batch); err != nil {
		return nil, err
	}
	return t, nil
}

// run adds the gradient of the weights to dweight and, unless dbias is nil, that of the bias
// to dbias.
func (t *gradPlan) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	if !t.prepared {
		t.prepared = true
		t.window.tables()
		t.depthwise = newDepthwiseGrad(t.geometry, &t.window)
		t.dense = newDenseGrad(t.geometry, &t.window)
	}
	if t.dense != nil {
		t.dense.run(op, x, dy, dweight, dbias)
		return
	}
	if singles := t.singles.fits(&t.window, t.geometry); singles || t.depthwise != nil {
		if singles {
			t.singles.run(op, x, dy, dweight)
		} else {
			t.depthwise.run(op.Pool(), x, dy, dweight)
		}
		if dbias != nil {
			t.bias.run(op.Pool(), t.geometry, dy, dbias)
		}
		return
	}
	g, p := t.geometry, op.Pool()
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), p, x, dy, dweight
	t.panels = gemm.CeilDiv(g.groupOutputs(), t.micro.Panel())
	blocks := g.Group * t.panels * t.ranges
	t.parts = min(max(1, gemm.CeilDiv(leastGradParts, blocks)), max(1, t.chunks(g.Batch)))
	t.sumSize = gemm.RoundUp(t.channels*g.taps, gemm.TileRows) * t.micro.Panel()
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	t.sumBias.begin(g, t.parts, dy, dbias)
	t.reducing = false
	p.RunWork(g.macs(), blocks*t.parts, t)
	t.reducing = true
	p.RunWork(g.macs(), blocks, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
	t.sumBias.end()
}

// Do computes one block of sums over a part of the batch, or adds the sums of all parts
// to the gradient.
func (t *gradPlan) Do(worker, i int) {
	block, part := i, 0
	if !t.reducing {
		block, part = i/t.parts, i%t.parts
	}
	g := t.geometry
	group := block / (t.panels * t.ranges)
	o := block / t.ranges % t.panels * t.micro.Panel()
	ch := block % t.ranges * t.channels
	n, channels := min(t.micro.Panel(), g.groupOutputs()-o), min(t.channels, g.groupChannels()-ch)
	sums := t.sums[block*t.parts*t.sumSize:]
	if t.reducing {
		t.reduce(worker, sums, group*g.groupOutputs()+o, n, ch, channels)
		return
	}
	t.sum(worker, part, sums[part*t.sumSize:][:t.sumSize], group*g.groupOutputs()+o, n, group*g.groupChannels()+ch, channels)
}

// sum computes sums for a part of the batch: a row for each channel of x, from ch on,
// and each tap, a column for each of n outputs from o on.
func (t *gradPlan) sum(worker, part int, sums []float32, o, n, ch, channels int) {
	g, u := t.geometry, t.micro
	w := u.Width(n)
	tiles := gemm.CeilDiv(channels*g.taps, gemm.TileRows)
	copied, depth := t.copySize(), gradPanel/w
	buf := t.pool.Scratch(worker, copied+depth*w)
	x, dy := buf[:copied], buf[copied:]
	if n < w {
		clear(dy)
	}
	outputs := n // whose bias this part sums
	if ch%g.groupChannels() > 0 {
		outputs = 0
	}
	t.sumBias.clear(part, o, outputs)
	chunks := t.chunks(g.Batch)
	var init *float32
	for i := part * chunks / t.parts; i < (part+1)*chunks/t.parts; i++ {
		c := t.chunk(g.Batch, i)
		for i := range c.images {
			t.sumBias.add(part, c.image+i, o, outputs, c.first, c.pixels)
		}
		t.fill(u, c, channels, t.x[ch*t.srcSize:], g.Channels*t.srcSize, x)
		pixels := c.images * c.pixels
		for k := 0; k < pixels; k += depth {
			d := min(depth, pixels-k)
			t.gather(c, k, d, o, n, w, dy)
			u.Tile(w)(tiles, d, &x[0], &t.taps[0], &t.pixels[k], &dy[0], init, w, &sums[0], w)
			init = &sums[0]
		}
	}
	if init == nil { // an empty batch
		clear(sums)
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
	g, w := t.geometry, t.micro.Width(n)
	rows := channels * g.taps
	if ch == 0 {
		t.sumBias.reduce(o, n)
	}
	for part := 1; part < t.parts; part++ {
		vec.Axpy(1, sums[part*t.sumSize:][:rows*w], sums[:rows*w])
	}
	transposed := t.pool.Scratch(worker, n*rows)
	t.micro.TransposeTo(rows, n, sums, w, transposed, rows)
	for i := range n {
		at := ((o+i)*g.groupChannels() + ch) * g.taps
		vec.Axpy(1, transposed[i*rows:][:rows], t.dweight[at:][:rows])
	}
}
