package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

// phases computes the gradient of the data of a convolution with strides. The pixels of
// x form phases, by their positions modulo the strides, each of which is a convolution of
// dy by some of the taps. A part computes a chunk of every phase from one copy of dy,
// and then writes whole rows of x, whose pixels are of several phases.
type phases struct {
	geometry *geometry
	list     []*phase
	window   *window    // that all share, but for the shifts
	step     int        // between pixels of a phase in a row of x
	rows     rowsPhases // used instead of tiles where it fits
	singles  singles    // the same
	prepared bool
	pairs    bool        // there are two axes, and phases 2k and 2k+1 are the even and odd pixels of the same rows
	chosen   *gemm.Micro // that the method was chosen for; nil: not chosen yet
	byFlat   bool        // flatLines are used instead of tiles
	panels   int         // of all phases, during a run
	packing  bool
}

// phase is one of the phases.
type phase struct {
	product
	tiles  tiles
	flat   *flatLines // nil if they do not apply
	rest   []int      // the position of its first pixel
	shape  []int      // of its pixels; the window's may be one more
	starts []int32    // for each row of the window, the index in a channel of x of its first pixel; -1: there is none
}

// newPhases returns the plan of the products of the phases. Their windows get the same
// padding and extent, so that one copy of dy does for all.
func newPhases(g *geometry, products []product, rests [][]int) (*phases, error) {
	axes := len(g.In)
	t := &phases{geometry: g, step: g.Stride[axes-1]}
	pad, out, reach := slices.Clone(products[0].pad), make([]int, axes), make([]int, axes)
	for _, p := range products {
		for a := range axes {
			pad[a], out[a] = max(pad[a], p.pad[a]), max(out[a], p.out[a])
		}
	}
	for i, p := range products {
		f := &phase{product: p, rest: rests[i], shape: p.out}
		for a := range axes {
			for k := range f.shift[a] {
				f.shift[a][k] += pad[a] - p.pad[a]
			}
			reach[a] = max(reach[a], slices.Max(f.shift[a])+1)
		}
		f.pad, f.out, f.parts, f.reach = pad, out, len(products), reach
		t.list = append(t.list, f)
	}
	for _, f := range t.list { // the reach is known
		if err := f.init(g.Batch); err != nil {
			return nil, err
		}
		f.flat = newFlatLines(f.product)
	}
	t.window = &t.list[0].window
	return t, nil
}

// prepare fills the tables.
func (t *phases) prepare() {
	if t.prepared {
		return
	}
	t.prepared = true
	t.rows.product, t.rows.cut.phased = &t.list[0].product, true
	t.singles.product, t.singles.of = &t.list[0].product, t.list
	last := len(t.geometry.In) - 1
	t.pairs = last == 1 && t.step == 2 && len(t.list)%2 == 0
	for k, f := range t.list {
		t.pairs = t.pairs && f.rest[last] == k%2 && f.rest[0] == t.list[k-k%2].rest[0]
		f.window.tables()
		f.tiles.init(&f.product, f.shape[0])
		if f.flat != nil {
			f.flat.prepare()
		}
		f.starts = []int32{int32(f.rest[last])}
		for a := last - 1; a >= 0; a-- {
			f.starts = rowsBefore(f.starts, f.out[a], func(i int) int {
				if i >= f.shape[a] {
					return -1
				}
				return (f.rest[a] + i*t.geometry.Stride[a]) * size(t.geometry.In[a+1:])
			})
		}
	}
}

// rowsBefore returns the starts of rows along one more axis of extent n: at position i,
// those in starts plus at(i), or -1 if at(i) is.
func rowsBefore(starts []int32, n int, at func(i int) int) []int32 {
	list := make([]int32, 0, n*len(starts))
	for i := range n {
		offset := int32(at(i))
		for _, s := range starts {
			if s >= 0 && offset >= 0 {
				list = append(list, s+offset)
			} else {
				list = append(list, -1)
			}
		}
	}
	return list
}

func (t *phases) run(op parallel.Op, weight, src, dst []float32) {
	t.prepare()
	for _, f := range t.list {
		f.set(op, src, weight, nil, dst)
	}
	t.choose(gemm.Active())
	switch {
	case t.rows.fits():
		t.rows.run()
	case t.singles.fits():
		t.singles.run()
	case t.byFlat:
		for _, f := range t.list {
			f.flat.set(op, src, weight, nil, dst)
		}
		t.runParts(op)
		for _, f := range t.list {
			f.flat.unset()
		}
	default:
		t.runParts(op)
	}
	for _, f := range t.list {
		f.unset()
	}
}

// choose chooses the faster of flatLines and tiles.
func (t *phases) choose(u *gemm.Micro) {
	if t.chosen == u {
		return
	}
	t.chosen, t.byFlat = u, t.list[0].flat != nil
	tiles, flat := 0, 0
	for _, f := range t.list {
		if t.byFlat {
			f.flat.lines.init(u)
			flat += f.flat.lines.cost(u)
		}
		tiles += f.tiles.cost(u)
	}
	t.byFlat = t.byFlat && 100*flat <= flatRows*tiles
	for _, f := range t.list {
		if t.byFlat {
			f.flat.lines.tables(u)
		}
	}
}

// runParts computes the phases with LineFuncs or TileFuncs.
func (t *phases) runParts(op parallel.Op) {
	g, n := t.geometry, 0
	for _, f := range t.list {
		if t.byFlat {
			n += f.flat.lines.packedSize()
			continue
		}
		f.tiles.measure()
		n += f.tiles.packedSize()
	}
	shared := op.Workspace(n)
	for _, f := range t.list {
		if t.byFlat {
			shared = f.flat.lines.take(shared)
			t.panels = f.flat.lines.panels
			continue
		}
		shared = f.tiles.take(shared)
		t.panels = f.panels
	}
	p := op.Pool()
	t.packing = true
	p.RunWork(g.macs(), len(t.list)*g.Group*t.panels, t)
	t.packing = false
	p.RunWork(g.macs(), g.Group*t.copied().chunks(g.Batch), t)
}

// copied returns the window of the copy.
func (t *phases) copied() *window {
	if t.byFlat {
		return &t.list[0].flat.window
	}
	return t.window
}

// Do packs or computes part i.
func (t *phases) Do(worker, i int) {
	if t.packing {
		each := t.geometry.Group * t.panels
		f := t.list[i/each]
		if t.byFlat {
			f.flat.lines.pack(i%each/t.panels, i%t.panels)
		} else {
			f.tiles.pack(worker, i%each/t.panels, i%t.panels)
		}
		return
	}
	group, c := i%t.geometry.Group, t.copied().chunk(t.geometry.Batch, i/t.geometry.Group)
	if t.byFlat {
		t.computeFlat(worker, group, c)
	} else {
		t.compute(worker, group, c)
	}
}

// computeFlat computes a chunk of all phases from a flat copy.
func (t *phases) computeFlat(worker, group int, c chunk) {
	first := t.list[0].flat
	n, size := first.dstChannels, first.length()
	copied := first.copySize() + maxLanes // the last vector may reach beyond the copy
	buf := first.pool.Scratch(worker, copied+2*size+len(t.list)*n*size)
	x, spare, lines := buf[:copied], buf[copied:][:2*size], buf[copied+2*size:]
	groups, channels := t.geometry.Group, first.channels
	first.fill(first.micro, c, channels, first.src[group*channels*first.srcSize:], groups*channels*first.srcSize, x)
	for k, f := range t.list {
		f.flat.lines.wholeLines(group, x, lines[k*n*size:], size)
	}
	for image := range c.images {
		to := first.dst[((c.image+image)*groups+group)*n*first.dstSize:]
		for o := range n {
			t.write(c, lines[o*size+image*first.imageStride:], n*size, to[o*first.dstSize:][:first.dstSize], spare)
		}
	}
}

// compute computes a chunk of all phases.
func (t *phases) compute(worker, group int, c chunk) {
	first := t.list[0]
	pixels := c.images * c.pixels
	panel := first.micro.Panel()
	copied := t.window.copySize()
	buf := first.pool.Scratch(worker, copied+(1+len(t.list))*pixels*panel)
	x, sums, planes := buf[:copied], buf[copied:][:pixels*panel], buf[copied+pixels*panel:]
	channels := first.channels
	t.window.fill(first.micro, c, channels, first.src[group*channels*first.srcSize:], t.geometry.Group*channels*first.srcSize, x)
	for i := range t.panels {
		j, n, w := first.tiles.panel(i)
		for k, f := range t.list {
			f.tiles.sum(group, j, w, pixels, f.tiles.spansOf(c), x, sums)
			f.micro.TransposeTo(pixels, n, sums, w, planes[k*panel*pixels:], pixels)
		}
		for image := range c.images {
			to := first.dst[(((c.image+image)*t.geometry.Group+group)*first.dstChannels+j)*first.dstSize:]
			for o := range n {
				t.write(c, planes[o*pixels+image*c.pixels:], panel*pixels, to[o*first.dstSize:][:first.dstSize], sums)
			}
		}
	}
}

// write writes a chunk of a channel of x. The pixels of phase k begin at planes[k*step], and have
// the layout of a flat copy if there is one. spare is used meanwhile, and is twice as large as
// those of an image.
func (t *phases) write(c chunk, planes []float32, step int, x, spare []float32) {
	if t.pairs {
		t.writePairs(c, planes, step, x, spare)
		return
	}
	last := len(t.geometry.In) - 1
	row, rows, width, at := 0, 1, c.pixels, c.row // of the only row
	if last > 0 {
		width, at = t.window.out[last], 0
		row, rows = c.first/width, c.pixels/width
	}
	for l := range rows {
		pixels := func(k int) (start int, line []float32) {
			f := t.list[k]
			n := min(width, f.shape[last]-at)
			if f.starts[row+l] < 0 || n <= 0 {
				return 0, nil
			}
			from := l * width
			if t.byFlat {
				from = int(t.list[0].flat.pixels[from])
			}
			return int(f.starts[row+l]) + at*t.step, planes[k*step+from:][:n]
		}
		for k := 0; k < len(t.list); k++ {
			start, from := pixels(k)
			if len(from) == 0 {
				continue
			}
			if t.step == 2 && k+1 < len(t.list) {
				if next, more := pixels(k + 1); next == start+1 && len(more) > 0 {
					joinPairs(x[start:], from, more)
					k++
					continue
				}
			}
			spread(x[start:], from, t.step)
		}
	}
}

// writePairs is write for pairs of phases, whose rows it joins in one piece.
func (t *phases) writePairs(c chunk, planes []float32, step int, x, spare []float32) {
	pitch, width := t.window.out[1], t.geometry.In[1]
	if t.byFlat {
		pitch = t.list[0].flat.pitch[0]
	}
	for k := 0; k < len(t.list); k += 2 {
		f := t.list[k]
		rows := min(c.rows, f.shape[0]-c.row)
		if rows <= 0 {
			continue
		}
		n := (rows-1)*pitch + f.shape[1]
		joinPairs(spare[:2*n], planes[k*step:][:n], planes[(k+1)*step:][:n])
		f.micro.CopyTo(rows, width, spare, 2*pitch, x[f.starts[c.row]:], t.geometry.Stride[0]*width)
	}
}
