package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

// A plan computes a product by the fastest of its methods. The first run prepares it,
// and until then a convolution costs almost nothing.
type plan struct {
	product
	tiles   tiles
	lines   lines
	dense   dense
	few     tilesFew
	singles singles
	flat    *flatLines // nil if it does not apply
	rows    rowsProduct

	prepared bool

	chosen  *gemm.Micro // that the method was chosen for; nil: not chosen yet
	byLines bool
	byFlat  bool
}

// A method is one of those of a plan.
type method int

const (
	byTiles method = iota
	byLines
	byFlat
	byDense
	byDenseFew
	byTilesFew
	bySingles
	byRows
)

func newPlan(p product) (*plan, error) {
	t := &plan{product: p}
	if err := t.window.init(t.geometry.Batch); err != nil {
		return nil, err
	}
	if t.nTaps > 1 && slices.Max(p.step) <= 2 {
		t.flat = newFlatLines(p)
	}
	return t, nil
}

// prepare fills the tables.
func (t *plan) prepare() {
	if t.prepared {
		return
	}
	t.prepared = true
	t.window.tables()
	t.tiles.init(&t.product, t.out[0])
	t.lines.product = &t.product
	if t.flat != nil {
		t.flat.prepare()
	}
	t.dense.init(&t.product)
	t.few.init(&t.product)
	t.singles.product = &t.product
	t.rows.product = &t.product
}

func (t *plan) run(op parallel.Op, src, weight, bias, dst []float32, then epilogue) {
	t.prepare()
	t.set(op, src, weight, bias, dst)
	t.then = then
	t.choose(t.micro)
	switch t.method() {
	case byTilesFew:
		t.few.run(op)
	case byDenseFew:
		t.dense.fewPixels.run(op, &t.dense)
	case byDense:
		t.dense.run(op)
	case byRows:
		t.rows.run()
	case bySingles:
		t.singles.run()
	case byFlat:
		t.flat.set(op, src, weight, bias, dst)
		t.flat.then = then
		t.flat.lines.run(op)
		t.flat.unset()
	case byLines:
		t.lines.run(op)
	default:
		t.tiles.run(op)
	}
	t.unset()
}

// method returns the method for the micro-kernels in use.
func (t *plan) method() method {
	switch {
	case t.dense.fits() && t.few.beatsDense():
		return byTilesFew
	case t.dense.fits() && t.dense.few():
		return byDenseFew
	case t.dense.fits():
		return byDense
	case t.rows.fits():
		return byRows
	case t.singles.fits():
		return bySingles
	case t.byFew():
		return byTilesFew
	case t.byFlat:
		return byFlat
	case t.byLines:
		return byLines
	}
	return byTiles
}

// packedSize returns the number of elements of the packed weights, if the method packs them for
// few pixels, and otherwise 0.
func (t *plan) packedSize() int {
	t.prepare()
	t.micro = gemm.Active()
	t.choose(t.micro)
	switch t.method() {
	case byTilesFew, byDenseFew:
		return t.geometry.Group * gemm.RoundUp(t.dstChannels, t.micro.Lanes) * t.depth()
	}
	return 0
}

// bySingles reports whether singles computes the product.
func (t *plan) bySingles() bool {
	return !t.byRows() && t.singlesFit()
}

// singlesFit reports whether singles can compute the product.
func (t *plan) singlesFit() bool {
	t.prepare()
	t.micro = gemm.Active()
	return !t.dense.fits() && t.singles.fits()
}

// byRows reports whether rowsProduct computes the product.
func (t *plan) byRows() bool {
	t.prepare()
	t.micro = gemm.Active()
	return !t.dense.fits() && t.rows.fits()
}

// mapsInput reports whether the product can compute a map of its source.
func (t *plan) mapsInput() bool { return t.byRows() || t.bySingles() }

// byFew reports whether tilesFew is faster than lines and tiles. Lines that read planes in place
// are faster where they fill their vectors, unless tilesFew reads the planes in place too and
// fills its own.
func (t *plan) byFew() bool {
	lanes := t.micro.Lanes
	inPlace := t.byLines && t.lines.inPlace && 4*t.lines.rowVectors*lanes <= 5*t.outSize
	return t.few.fits() && (!inPlace || t.few.inPlace && t.few.apart() && 8*gemm.RoundUp(t.dstChannels, lanes) <= 9*t.dstChannels)
}

// choose chooses the fastest of lines, with a flat copy or not, and tiles.
func (t *plan) choose(u *gemm.Micro) {
	if t.chosen == u {
		return
	}
	t.chosen = u
	tiles, rows := t.tiles.cost(u), 0
	if t.byLines = t.lines.init(u) && t.lines.cost(u) <= tiles; t.byLines {
		t.lines.tables(u)
		rows = t.lines.cost(u)
	}
	t.byFlat = t.flat != nil && t.flat.choose(u, tiles, rows)
}

// splitChannels is the number of channels up to which split rows are worth their time: lines
// are then faster than tiles.
const splitChannels = 3

// forwardPlan plans the forward pass.
func forwardPlan(g *geometry) (*plan, error) {
	w := forwardWindow(g, g.groupChannels())
	w.split = w.channels <= splitChannels && w.splittable()
	return newPlan(product{geometry: g, dstChannels: g.groupOutputs(), dstSize: g.outSize, window: w})
}

// forwardWindow returns the window that moves over some channels of x.
func forwardWindow(g *geometry, channels int) window {
	w := window{channels: channels, src: g.In, pad: g.Pad, step: g.Stride, shift: make([][]int, len(g.In)), out: g.out}
	for a := range g.In {
		for t := range g.Kernel[a] {
			w.shift[a] = append(w.shift[a], t*g.Dilation[a])
		}
	}
	return w
}

// dataProducts returns the products that compute the gradient of the data, one for each
// phase, and the positions of the phases. gaps reports whether there are pixels of x that
// no tap covers.
func dataProducts(g *geometry) (products []product, rests [][]int, gaps bool) {
	// The positions of x along an axis form classes modulo the stride. Each class meets
	// its own taps, and classes without taps need no plan.
	classes := make([][]int, len(g.In))
	for a, in := range g.In {
		s := g.Stride[a]
		for t := range min(s, g.Kernel[a]) { // the classes repeat after s taps
			r := ((t*g.Dilation[a]-g.Pad[a])%s + s) % s
			if r < in && !slices.Contains(classes[a], r) {
				classes[a] = append(classes[a], r)
			}
		}
		gaps = gaps || len(classes[a]) < min(s, in)
		slices.Sort(classes[a])
	}
	phases := [][]int{nil}
	for _, class := range classes {
		var longer [][]int
		for _, phase := range phases {
			for _, r := range class {
				longer = append(longer, append(slices.Clone(phase), r))
			}
		}
		phases = longer
	}
	for _, phase := range phases {
		products = append(products, dataProduct(g, phase))
	}
	return products, phases, gaps
}

// dataProduct returns the gradient of the pixels of x whose position along axis a is
// phase[a] modulo the stride s. Position r+s*j meets output j+(r+pad-t*d)/s for
// those taps t, of dilation d, for which that is an integer: a convolution of dy
// of stride 1.
func dataProduct(g *geometry, phase []int) product {
	axes := len(g.In)
	w := window{channels: g.groupOutputs(), src: g.out, pad: make([]int, axes), step: make([]int, axes), shift: make([][]int, axes), out: make([]int, axes)}
	p := product{geometry: g, backward: true, dstChannels: g.groupChannels(), dstSize: g.inSize, kernelTaps: []int{0}}
	for a := range axes {
		s, r := g.Stride[a], phase[a]
		w.step[a] = 1
		w.out[a] = gemm.CeilDiv(g.In[a]-r, s)
		var taps []int
		for t := range g.Kernel[a] {
			if d := r + g.Pad[a] - t*g.Dilation[a]; d%s == 0 {
				taps = append(taps, t)
				w.shift[a] = append(w.shift[a], d/s)
			}
		}
		// The displacements decrease; the last is the lowest and becomes 0.
		w.pad[a] = -w.shift[a][len(taps)-1]
		for i := range w.shift[a] {
			w.shift[a][i] += w.pad[a]
		}
		p.kernelTaps = extend(p.kernelTaps, g.Kernel[a], len(taps), func(i int) int { return taps[i] })
	}
	p.window = w
	return p
}
