package conv

import "slices"

// rowsPhases computes the gradient of the data of groups of one channel, with kernels of 3x3 and
// strides of 2, by vectors of pixels of a row. A row of dy is used for two rows of the result, whose
// columns are of two phases in turn.
type rowsPhases struct {
	*product // of the first phase
	cut      planeRows
	stream   bool // the result is written past the caches, during a run
}

// fits reports whether rowsPhases can compute the gradient and should.
func (t *rowsPhases) fits() bool {
	g := t.geometry
	for _, axis := range []struct {
		values []int
		want   int
	}{{g.Kernel, 3}, {g.Stride, 2}, {g.Pad, 1}, {g.Dilation, 1}} {
		if slices.ContainsFunc(axis.values, func(v int) bool { return v != axis.want }) {
			return false
		}
	}
	return slices.Min(g.In) > 1 && t.cut.fits(&t.window, g)
}

func (t *rowsPhases) run() {
	t.stream = t.cut.set.stream != nil && t.even() && streams(t.dst, t.dstSize) && streams(t.dst, t.cut.band*2*t.geometry.In[1])
	t.pool.RunWork(rowsCost*t.geometry.macs(), t.cut.parts(), t)
}

// even reports whether the result has an even number of columns.
func (t *rowsPhases) even() bool { return t.geometry.In[1]%2 == 0 }

// Do computes part i.
func (t *rowsPhases) Do(worker, i int) {
	p, padded := t.cut.part(i), t.cut.copied()
	buf := t.pool.Scratch(worker, padded+t.cut.band*4*t.out[1])
	x, y := buf[:padded], buf[padded:]
	clear(x)
	next := t.cut.first(p)
	for next.rows > 0 {
		b := next
		next = t.cut.after(p, b)
		t.cut.load(t.micro, b, t.src, nil, x)
		t.compute(b, next, x, y)
	}
}

// compute computes a band of the result from a copy of its source.
func (t *rowsPhases) compute(b, next rowBand, x, y []float32) {
	width, line := t.geometry.In[1], 2*t.out[1]
	rows := min(2*b.rows, t.geometry.In[0]-2*b.row)
	to := t.dst[b.plane*t.dstSize+2*b.row*width:][:rows*width]
	direct := t.even() && rows == 2*b.rows && !t.stream
	if direct {
		y = to
	}
	c := &t.cut
	c.set.phases(b.rows, len(c.at), &c.at[0], &x[b.rows*c.ld], c.ld, &t.weight[b.ch*t.geometry.taps], &y[2*(b.rows-1)*line], line, &t.src[c.sourceAt(next)])
	switch {
	case t.stream:
		c.set.stream(len(to)/16, &y[0], &to[0])
	case !direct:
		t.micro.CopyTo(rows, width, y, line, to, width)
	}
}
