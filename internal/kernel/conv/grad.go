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

	// leastGradParts is the minimum number of parts, for many threads.
	leastGradParts = 32
)

// gradPlan is the gradient of the weights: the product of the gathered taps of x and
// dy, over the pixels. A part computes the sums of some channels of x and a panel of
// the outputs over a part of the batch. Then the parts' sums are added in order.
type gradPlan struct {
	window    // of the channels of a part
	geometry  *geometry
	ranges    int            // pieces of the channels of a group
	prepared  bool           // the first run has prepared it
	depthwise *depthwiseGrad // used instead; nil if it does not apply

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	panels         int // of the outputs of a group
	parts          int // of the batch
	sumSize        int // of the sums of a part
	sums           []float32
	x, dy, dweight []float32
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

func (t *gradPlan) run(op parallel.Op, x, dy, dweight []float32) {
	if !t.prepared {
		t.prepared = true
		t.window.tables()
		t.depthwise = newDepthwiseGrad(t.geometry, &t.window)
	}
	if t.depthwise != nil {
		t.depthwise.run(op.Pool(), x, dy, dweight)
		return
	}
	g, p := t.geometry, op.Pool()
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), p, x, dy, dweight
	t.panels = gemm.CeilDiv(g.groupOutputs(), t.micro.Panel())
	blocks := g.Group * t.panels * t.ranges
	t.parts = min(max(1, gemm.CeilDiv(leastGradParts, blocks)), max(1, t.chunks(g.Batch)))
	t.sumSize = gemm.RoundUp(t.channels*g.taps, gemm.TileRows) * t.micro.Panel()
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	t.reducing = false
	p.RunWork(g.macs(), blocks*t.parts, t)
	t.reducing = true
	p.RunWork(g.macs(), blocks, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
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
	copied := t.copySize()
	buf := t.pool.Scratch(worker, copied+t.images*t.maxPixels()*w)
	x, dy := buf[:copied], buf[copied:]
	if n < w {
		clear(dy)
	}
	chunks := t.chunks(g.Batch)
	var init *float32
	for i := part * chunks / t.parts; i < (part+1)*chunks/t.parts; i++ {
		c := t.chunk(g.Batch, i)
		t.fill(u, c, channels, t.x[ch*t.srcSize:], g.Channels*t.srcSize, x)
		for i := range c.images {
			src := t.dy[((c.image+i)*g.Outputs+o)*t.outSize+c.first:]
			u.TransposeTo(n, c.pixels, src, t.outSize, dy[i*c.pixels*w:], w)
		}
		pixels := c.images * c.pixels
		for k := 0; k < pixels; k += sumDepth {
			u.Tile(w)(tiles, min(sumDepth, pixels-k), &x[0], &t.taps[0], &t.pixels[k], &dy[k*w], init, w, &sums[0], w)
			init = &sums[0]
		}
	}
	if init == nil { // an empty batch
		clear(sums)
	}
}

// reduce adds the sums of all parts to the gradient of n outputs from o on and the
// channels from ch on of their group.
func (t *gradPlan) reduce(worker int, sums []float32, o, n, ch, channels int) {
	g, w := t.geometry, t.micro.Width(n)
	rows := channels * g.taps
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
