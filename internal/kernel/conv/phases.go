package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/parallel"
)

// phases computes the gradient of the data of a convolution with strides. The pixels of
// x form phases, by their positions modulo the strides, each of which is a convolution of
// dy by some of the taps. A part computes a chunk of every phase from one copy of dy,
// and then writes whole rows of x, whose pixels are of several phases.
type phases struct {
	geometry *geometry
	list     []*phase
	window   *window // that all share, but for the shifts
	step     int     // between pixels of a phase in a row of x
	singles  singles // used instead of tiles where it fits
	prepared bool
	panels   int // of all phases, during a run
	packing  bool
}

// phase is one of the phases.
type phase struct {
	product
	tiles  tiles
	rest   []int   // the position of its first pixel
	shape  []int   // of its pixels; the window's may be one more
	starts []int32 // for each row of the window, the index in a channel of x of its first pixel; -1: there is none
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
	t.singles.product, t.singles.of = &t.list[0].product, t.list
	last := len(t.geometry.In) - 1
	for _, f := range t.list {
		f.window.tables()
		f.tiles.init(&f.product, f.shape[0])
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
	if t.singles.fits() {
		t.singles.run()
	} else {
		t.runTiles(op)
	}
	for _, f := range t.list {
		f.unset()
	}
}

// runTiles computes the phases with TileFuncs.
func (t *phases) runTiles(op parallel.Op) {
	g, n := t.geometry, 0
	for _, f := range t.list {
		f.tiles.measure()
		n += f.tiles.packedSize()
	}
	shared := op.Workspace(n)
	t.panels = t.list[0].panels
	for _, f := range t.list {
		shared = f.tiles.take(shared)
	}
	p := op.Pool()
	t.packing = true
	p.RunWork(g.macs(), len(t.list)*g.Group*t.panels, t)
	t.packing = false
	p.RunWork(g.macs(), g.Group*t.window.chunks(g.Batch), t)
}

// Do packs or computes part i.
func (t *phases) Do(worker, i int) {
	if t.packing {
		each := t.geometry.Group * t.panels
		t.list[i/each].tiles.pack(worker, i%each/t.panels, i%t.panels)
		return
	}
	t.compute(worker, i%t.geometry.Group, t.window.chunk(t.geometry.Batch, i/t.geometry.Group))
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
				t.write(c, planes[o*pixels+image*c.pixels:], panel*pixels, to[o*first.dstSize:][:first.dstSize])
			}
		}
	}
}

// write writes a chunk of a channel of x. The pixels of phase k begin at planes[k*step].
func (t *phases) write(c chunk, planes []float32, step int, x []float32) {
	last := len(t.geometry.In) - 1
	row, rows, width, at := 0, 1, c.pixels, c.row // of the only row
	if last > 0 {
		width, at = t.window.out[last], 0
		row, rows = c.first/width, c.pixels/width
	}
	for l := range rows {
		pixels := func(k int) (start int, from []float32) {
			f := t.list[k]
			n := min(width, f.shape[last]-at)
			if f.starts[row+l] < 0 || n <= 0 {
				return 0, nil
			}
			return int(f.starts[row+l]) + at*t.step, planes[k*step+l*width:][:n]
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
