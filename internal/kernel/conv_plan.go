package kernel

import (
	"slices"

	"github.com/gocaffe/gocaffe/parallel"
)

// convDepth is how many rows of a panel a micro-kernel sums at a time in a
// convolution: those of 64 channels and a 3x3 kernel, 144 KiB that stay in the
// L2 cache.
const convDepth = 576

// plan makes the plans of the three products.
func (c *Conv) plan() error {
	p := &c.p
	axes := len(p.In)
	c.forward = convPlan{
		conv: c, dstChannels: p.Outputs / p.Group, dstSize: c.outSize,
		window: window{channels: p.Channels / p.Group, src: p.In, lo: p.Pad, step: p.Stride, disp: make([][]int, axes), out: c.out},
	}
	for a := range axes {
		for t := range p.Kernel[a] {
			c.forward.disp[a] = append(c.forward.disp[a], t*p.Dilation[a])
		}
	}
	if err := c.forward.init(p.Batch); err != nil {
		return err
	}
	if err := c.grad.init(c); err != nil {
		return err
	}
	// The positions of x along an axis fall into classes modulo the stride, each
	// of which meets some taps. Those that meet none need no plan.
	classes := make([][]int, axes)
	for a, in := range p.In {
		s := p.Stride[a]
		for t := range min(s, p.Kernel[a]) { // the classes repeat after s taps
			r := ((t*p.Dilation[a]-p.Pad[a])%s + s) % s
			if r < in && !slices.Contains(classes[a], r) {
				classes[a] = append(classes[a], r)
			}
		}
		c.unseen = c.unseen || len(classes[a]) < min(s, in)
	}
	return c.planPhases(classes, make([]int, 0, axes))
}

// planPhases calls planPhase for all phases that begin with the given classes.
func (c *Conv) planPhases(classes [][]int, phase []int) error {
	axis := len(phase)
	if axis == len(classes) {
		return c.planPhase(phase)
	}
	for _, r := range classes[axis] {
		if err := c.planPhases(classes, append(phase, r)); err != nil {
			return err
		}
	}
	return nil
}

// planPhase plans the gradient of the pixels of x whose position along axis a
// is phase[a] modulo the stride s. Position r+s*j meets output j+(r+pad-t*d)/s
// for those taps t, of dilation d, for which that is whole: a convolution of
// dy of stride 1.
func (c *Conv) planPhase(phase []int) error {
	p := &c.p
	axes := len(p.In)
	plan := convPlan{conv: c, backward: true, dstChannels: p.Channels / p.Group, dstSize: c.inSize, kernelTaps: []int{0}}
	w := &plan.window
	*w = window{channels: p.Outputs / p.Group, src: c.out, lo: make([]int, axes), step: make([]int, axes), disp: make([][]int, axes), out: make([]int, axes)}
	places := []int{0} // of the pixels, in a channel of x
	for a := range axes {
		s, r := p.Stride[a], phase[a]
		w.step[a] = 1
		w.out[a] = ceilDiv(p.In[a]-r, s)
		var taps []int
		for t := range p.Kernel[a] {
			if d := r + p.Pad[a] - t*p.Dilation[a]; d%s == 0 {
				taps = append(taps, t)
				w.disp[a] = append(w.disp[a], d/s)
			}
		}
		// Displacements fall; the last is the lowest and becomes 0.
		w.lo[a] = -w.disp[a][len(taps)-1]
		for i := range w.disp[a] {
			w.disp[a][i] += w.lo[a]
		}
		plan.kernelTaps = extend(plan.kernelTaps, p.Kernel[a], len(taps), func(i int) int { return taps[i] })
		places = extend(places, p.In[a], w.out[a], func(i int) int { return r + s*i })
	}
	if len(places) != c.inSize {
		plan.places = places
	}
	if err := plan.init(p.Batch); err != nil {
		return err
	}
	c.backward = append(c.backward, plan)
	return nil
}

// extend returns the places of the n positions at(i) along a new last axis of
// the given extent, for each of the given places along the axes before it.
func extend(places []int, extent, n int, at func(i int) int) []int {
	list := make([]int, 0, len(places)*n)
	for _, p := range places {
		for i := range n {
			list = append(list, p*extent+at(i))
		}
	}
	return list
}

// convPlan is the product of the gathered pixels of a source by the weights:
// the forward pass, or one phase of the gradient of the data. Each task
// computes a chunk of pixels for all channels of a group of the result.
//
// The sum over taps and channels goes through the taps of the first axis in
// its outermost loop, so that a tile at the edge can leave out those that see
// only zeros.
type convPlan struct {
	window
	conv        *Conv
	backward    bool
	dstChannels int   // of a group
	dstSize     int   // of a channel
	kernelTaps  []int // backward: the taps of the weights that count
	off         []int32
	lead        int       // how many parts of the kernel's outermost axis lead the sum; 1: the channels do
	spans       []tapSpan // for each tile of each band
	places      []int     // where the pixels belong in a channel of the result; nil: one after the other
	lines       lines

	u                     *micro
	pool                  *Pool
	packing               bool
	panels, width, depth  int // panels of a group, columns of them all, rows
	packed                []float32
	packedBias            []float32
	src, weight, bias, to []float32
}

// A tapSpan says which taps of the first axis see the source.
type tapSpan struct{ from, to int }

// init prepares the window and the order of the sum.
func (t *convPlan) init(batch int) error {
	if err := t.window.init(batch); err != nil {
		return err
	}
	// A sum is taken in Caffe's order, channels outermost, unless there are tiles
	// at an edge that see a part of the kernel only: that part is then a run of
	// terms. The other order rounds differently, by as little as any other; but
	// a net's golden losses are those of this one.
	t.lead = 1
	for row := range t.out[0] {
		if t.seen(row) != (tapSpan{0, len(t.disp[0])}) {
			t.lead = len(t.disp[0])
		}
	}
	lead := t.lead
	rest := t.taps / lead
	t.off = t.off[:0]
	for a := range lead {
		if lead > 1 && t.backward {
			for r := range rest {
				for c := range t.channels {
					t.off = append(t.off, t.window.off[c*t.taps+a*rest+r])
				}
			}
			continue
		}
		for c := range t.channels {
			t.off = append(t.off, t.window.off[c*t.taps+a*rest:][:rest]...)
		}
	}
	line := t.outSize / t.out[0]
	pixels := t.rows * line
	tiles := ceilDiv(t.images*pixels, tileRows)
	t.spans = t.spans[:0]
	for band := range t.bands {
		for i := range tiles {
			first, last := i*tileRows, min((i+1)*tileRows, t.images*pixels)-1
			span := tapSpan{0, lead} // of a tile in two images
			if lead > 1 && first/pixels == last/pixels {
				a := t.seen(band*t.rows + first%pixels/line)
				b := t.seen(min(band*t.rows+last%pixels/line, t.out[0]-1))
				span = tapSpan{min(a.from, b.from), max(a.to, b.to)}
			}
			t.spans = append(t.spans, span)
		}
	}
	return nil
}

// seen returns which taps of the first axis see the source from a row. Both
// ends of the span move in one direction from row to row, if it is empty too.
func (t *convPlan) seen(row int) tapSpan {
	var s tapSpan
	rising := t.disp[0][len(t.disp[0])-1] > 0
	for _, d := range t.disp[0] {
		q := row*t.step[0] + d - t.lo[0]
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

func (t *convPlan) run(op parallel.Op, src, weight, bias, dst []float32) {
	u := &micros[active]
	t.u, t.pool, t.src, t.weight, t.bias, t.to = u, op.Pool(), src, weight, bias, dst
	t.planLines(u)
	if t.lines.use {
		t.runLines(op)
	} else {
		t.runTiles(op)
	}
	t.pool, t.src, t.weight, t.bias, t.to, t.packed, t.packedBias = nil, nil, nil, nil, nil, nil, nil
}

// runTiles is run by tileFuncs.
func (t *convPlan) runTiles(op parallel.Op) {
	c, u, p := t.conv, t.u, op.Pool()
	t.panels = ceilDiv(t.dstChannels, u.panel())
	t.width = (t.panels-1)*u.panel() + u.width(t.dstChannels-(t.panels-1)*u.panel())
	t.depth = t.channels * t.taps
	shared := op.Workspace(c.p.Group * t.width * (t.depth + 1))
	t.packedBias, t.packed = shared[:c.p.Group*t.width], shared[c.p.Group*t.width:]
	t.packing = true
	p.RunWork(c.MACs(), c.p.Group*t.panels, t)
	t.packing = false
	p.RunWork(c.MACs(), c.p.Group*t.chunks(c.p.Batch), t)
}

// Do packs or computes part i.
func (t *convPlan) Do(worker, i int) {
	if t.lines.use {
		t.doLines(worker, i)
		return
	}
	if t.packing {
		t.pack(worker, i/t.panels, i%t.panels)
		return
	}
	t.compute(worker, i%t.conv.p.Group, t.chunk(t.conv.p.Batch, i/t.conv.p.Group))
}

// columns returns the first channel, the number of channels and the width of a
// panel.
func (t *convPlan) columns(panel int) (j, n, w int) {
	j = panel * t.u.panel()
	n = min(t.u.panel(), t.dstChannels-j)
	return j, n, t.u.width(n)
}

// pack packs the weights for a panel: a row for each channel of the source and
// each tap, a column for each channel of the result.
func (t *convPlan) pack(worker, group, panel int) {
	j, n, w := t.columns(panel)
	dst := t.packed[(group*t.width+j)*t.depth:][:t.depth*w]
	taps := t.conv.taps
	if n < w {
		clear(dst)
	}
	lead := t.lead
	rest := t.taps / lead
	if !t.backward {
		// Packed in the order of the weights, then put in that of the sum.
		rows := t.pool.Scratch(worker, t.depth*w)
		t.u.transposeTo(n, t.depth, t.weight[(group*t.dstChannels+j)*t.depth:], t.depth, rows, w)
		for a := range lead {
			t.u.copyTo(t.channels, rest*w, rows[a*rest*w:], t.taps*w, dst[a*t.channels*rest*w:], rest*w)
		}
		bias := t.packedBias[group*t.width+j:][:w]
		if t.bias == nil {
			clear(bias)
		} else {
			clear(bias[copy(bias, t.bias[group*t.dstChannels+j:][:n]):])
		}
		return
	}
	for o := range t.channels {
		src := t.weight[((group*t.channels+o)*t.dstChannels+j)*taps:][:n*taps]
		for i, tap := range t.kernelTaps {
			row := dst[((i/rest*t.channels+o)*rest+i%rest)*w:][:n]
			if lead > 1 {
				row = dst[(i*t.channels+o)*w:][:n]
			}
			for c := range row {
				row[c] = src[c*taps+tap]
			}
		}
	}
}

// compute computes a chunk of the result.
func (t *convPlan) compute(worker, group int, c chunk) {
	groups := t.conv.p.Group
	pixels := c.images * c.pixels
	tiles := ceilDiv(pixels, tileRows)
	copied := t.bufferSize()
	buf := t.pool.Scratch(worker, copied+tiles*tileRows*t.u.panel())
	x, sums := buf[:copied], buf[copied:]
	t.fill(t.u, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
	lead := t.lead
	spans := t.spans[c.row/t.rows*ceilDiv(t.images*t.rows*(t.outSize/t.out[0]), tileRows):][:tiles]
	for panel := range t.panels {
		j, n, w := t.columns(panel)
		packed := t.packed[(group*t.width+j)*t.depth:]
		var init *float32
		if t.bias != nil {
			init = &t.packedBias[group*t.width+j]
		}
		tile := t.u.tile(w)
		for k := 0; k < t.depth; k += convDepth {
			for i, n := 0, 0; i < tiles; i += n {
				span := spans[i]
				for n = 1; i+n < tiles && spans[i+n] == span; n++ {
				}
				start := span.from * t.depth / lead
				from, to := max(start, k), min(span.to*t.depth/lead, k+convDepth)
				at := i * tileRows
				switch {
				case from == start && (from < to || k == 0):
					from = min(from, t.depth-1) // if the span is empty
					tile(n, max(0, to-from), &x[0], &t.pix[at], &t.off[from], &packed[from*w], init, 0, &sums[at*w], w)
				case from < to:
					tile(n, to-from, &x[0], &t.pix[at], &t.off[from], &packed[from*w], &sums[at*w], w, &sums[at*w], w)
				}
			}
		}
		for i := range c.images {
			from := sums[i*c.pixels*w:]
			to := t.to[(((c.image+i)*groups+group)*t.dstChannels+j)*t.dstSize:]
			if t.places == nil {
				t.u.transposeTo(c.pixels, n, from, w, to[c.first:], t.dstSize)
				continue
			}
			for q, place := range t.places[c.first:][:c.pixels] {
				for o, v := range from[q*w:][:n] {
					to[o*t.dstSize+place] = v
				}
			}
		}
	}
}
