package kernel

import "github.com/gocaffe/gocaffe/parallel"

const (
	// gradRows is about how many sums of a channel and a tap a task makes for
	// each output: with a panel of outputs they stay in the L2 cache.
	gradRows = 576

	// gradTasks is how many tasks there should be at least, for many threads.
	gradTasks = 32
)

// gradPlan is the gradient of the weights: the product of the gathered taps of
// x by dy, over the pixels. A task sums some channels of x and a panel of the
// outputs over a part of the batch; then the sums of the parts are added in
// the order of the parts.
type gradPlan struct {
	window    window // of the channels of a task
	conv      *Conv
	channels  int // of a group of x
	outputs   int // of a group of y
	ranges    int // pieces of channels
	depthwise depthwiseGrad

	u              *micro
	pool           *Pool
	reducing       bool
	panels         int // of a group of y
	parts          int // of the batch
	sumSize        int // numbers of the sums of a task
	sums           []float32
	x, dy, dweight []float32
}

func (t *gradPlan) init(c *Conv) error {
	p := &c.p
	*t = gradPlan{conv: c, channels: p.Channels / p.Group, outputs: p.Outputs / p.Group}
	// As many channels as fill whole tiles.
	unit := 1
	for unit*c.taps%tileRows != 0 {
		unit++
	}
	channels := min(t.channels, max(1, gradRows/c.taps/unit)*unit)
	t.ranges = ceilDiv(t.channels, channels)
	f := &c.forward.window
	t.window = window{channels: channels, src: f.src, lo: f.lo, step: f.step, disp: f.disp, out: f.out}
	if err := t.window.init(p.Batch); err != nil {
		return err
	}
	t.depthwise.init(t)
	return nil
}

func (t *gradPlan) run(op parallel.Op, x, dy, dweight []float32) {
	c, p := t.conv, op.Pool()
	t.u, t.pool, t.x, t.dy, t.dweight = &micros[active], p, x, dy, dweight
	defer func() { t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil }()
	if t.depthwise.use {
		p.RunWork(c.MACs(), c.p.Group, &t.depthwise)
		return
	}
	t.panels = ceilDiv(t.outputs, t.u.panel())
	blocks := c.p.Group * t.panels * t.ranges
	t.parts = min(max(1, ceilDiv(gradTasks, blocks)), max(1, t.window.chunks(c.p.Batch)))
	t.sumSize = ceilDiv(t.window.channels*c.taps, tileRows) * tileRows * t.u.panel()
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	t.reducing = false
	p.RunWork(c.MACs(), blocks*t.parts, t)
	t.reducing = true
	p.RunWork(c.MACs(), blocks, t)
}

// Do makes one block of sums over a part of the batch, or adds those of all
// parts to the gradient.
func (t *gradPlan) Do(worker, i int) {
	block, part := i, 0
	if !t.reducing {
		block, part = i/t.parts, i%t.parts
	}
	group := block / (t.panels * t.ranges)
	o := block / t.ranges % t.panels * t.u.panel()
	ch := block % t.ranges * t.window.channels
	n, channels := min(t.u.panel(), t.outputs-o), min(t.window.channels, t.channels-ch)
	sums := t.sums[block*t.parts*t.sumSize:]
	if t.reducing {
		t.reduce(worker, sums, group*t.outputs+o, n, ch, channels)
		return
	}
	t.sum(worker, part, sums[part*t.sumSize:][:t.sumSize], group*t.outputs+o, n, group*t.channels+ch, channels)
}

// sum sets sums, a row for each of the channels of x from ch and each tap, a
// column for each of the n outputs from o, for a part of the batch.
func (t *gradPlan) sum(worker, part int, sums []float32, o, n, ch, channels int) {
	p, window := &t.conv.p, &t.window
	w := t.u.width(n)
	tiles := ceilDiv(channels*t.conv.taps, tileRows)
	copied := window.bufferSize()
	buf := t.pool.Scratch(worker, copied+window.images*window.rows*(window.outSize/window.out[0])*w)
	x, dy := buf[:copied], buf[copied:]
	if n < w {
		clear(dy)
	}
	chunks := window.chunks(p.Batch)
	var init *float32
	for i := part * chunks / t.parts; i < (part+1)*chunks/t.parts; i++ {
		c := window.chunk(p.Batch, i)
		window.fill(t.u, c, channels, t.x[ch*window.srcSize:], p.Channels*window.srcSize, x)
		for i := range c.images {
			src := t.dy[((c.image+i)*p.Outputs+o)*window.outSize+c.first:]
			t.u.transposeTo(n, c.pixels, src, window.outSize, dy[i*c.pixels*w:], w)
		}
		pixels := c.images * c.pixels
		for k := 0; k < pixels; k += convDepth {
			t.u.tile(w)(tiles, min(convDepth, pixels-k), &x[0], &window.off[0], &window.pix[k], &dy[k*w], init, w, &sums[0], w)
			init = &sums[0]
		}
	}
	if init == nil { // an empty batch
		clear(sums)
	}
}

// reduce adds the sums of all parts to the gradient of n outputs from o and
// the channels from ch of their group.
func (t *gradPlan) reduce(worker int, sums []float32, o, n, ch, channels int) {
	w := t.u.width(n)
	rows := channels * t.conv.taps
	for part := 1; part < t.parts; part++ {
		Axpy(1, sums[part*t.sumSize:][:rows*w], sums[:rows*w])
	}
	turned := t.pool.Scratch(worker, n*rows)
	t.u.transposeTo(rows, n, sums, w, turned, rows)
	for i := range n {
		at := ((o+i)*t.channels + ch) * t.conv.taps
		Axpy(1, turned[i*rows:][:rows], t.dweight[at:][:rows])
	}
}
