package kernel

import "slices"

// convDepth is how many rows of a panel a micro-kernel sums at a time in a
// convolution.
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
	if err := w.init(p.Batch); err != nil {
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
type convPlan struct {
	window
	conv        *Conv
	backward    bool
	dstChannels int   // of a group
	dstSize     int   // of a channel
	kernelTaps  []int // backward: the taps of the weights that count
	places      []int // where the pixels belong in a channel of the result; nil: one after the other

	u                     *micro
	pool                  *Pool
	packing               bool
	panels, width, depth  int // panels of a group, columns of them all, rows
	packed                []float32
	packedBias            []float32
	src, weight, bias, to []float32
}

func (t *convPlan) run(p *Pool, src, weight, bias, dst []float32) {
	c := t.conv
	u := &micros[active]
	t.u, t.pool, t.src, t.weight, t.bias, t.to = u, p, src, weight, bias, dst
	t.panels = ceilDiv(t.dstChannels, u.panel())
	t.width = (t.panels-1)*u.panel() + u.width(t.dstChannels-(t.panels-1)*u.panel())
	t.depth = t.channels * t.taps
	shared := p.shared(c.p.Group * t.width * (t.depth + 1))
	t.packedBias, t.packed = shared[:c.p.Group*t.width], shared[c.p.Group*t.width:]
	t.packing = true
	work := int(c.MACs())
	p.runWork(work, c.p.Group*t.panels, t)
	t.packing = false
	p.runWork(work, c.p.Group*t.chunks(c.p.Batch), t)
	t.pool, t.src, t.weight, t.bias, t.to, t.packed, t.packedBias = nil, nil, nil, nil, nil, nil, nil
}

// Do packs or computes part i.
func (t *convPlan) Do(worker, i int) {
	if t.packing {
		t.pack(i/t.panels, i%t.panels)
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
func (t *convPlan) pack(group, panel int) {
	j, n, w := t.columns(panel)
	dst := t.packed[(group*t.width+j)*t.depth:][:t.depth*w]
	taps := t.conv.taps
	if n < w {
		clear(dst)
	}
	if !t.backward {
		t.u.transposeTo(n, t.depth, t.weight[(group*t.dstChannels+j)*t.depth:], t.depth, dst, w)
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
			row := dst[(o*t.taps+i)*w:][:n]
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
	buf := t.pool.buffer(worker, copied+tiles*tileRows*t.u.panel())
	x, sums := buf[:copied], buf[copied:]
	t.fill(t.u, c, t.channels, t.src[group*t.channels*t.srcSize:], groups*t.channels*t.srcSize, x)
	for panel := range t.panels {
		j, n, w := t.columns(panel)
		packed := t.packed[(group*t.width+j)*t.depth:]
		var init *float32
		ldi := 0
		if t.bias != nil {
			init = &t.packedBias[group*t.width+j]
		}
		for k := 0; k < t.depth; k += convDepth {
			t.u.tile(w)(tiles, min(convDepth, t.depth-k), &x[0], &t.pix[0], &t.off[k], &packed[k*w], init, ldi, &sums[0], w)
			init, ldi = &sums[0], w
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
