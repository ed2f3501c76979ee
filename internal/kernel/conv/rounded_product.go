package conv

import (
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// packedWords bounds the words of the source that a chunk packs, so that they stay in the
	// L2 cache, and leastPositions its pixels from below, since each chunk reads all weights.
	packedWords    = 128 << 10
	leastPositions = 64

	// placedPositions is the number of pixels that are computed at a time if the source is
	// not packed.
	placedPositions = 512

	// outputSlice is the number of channels of the result of a part at least.
	outputSlice = 4 * bf16.Side
)

// roundedProduct computes a product: the forward pass, or a phase of the gradient of the
// data. The weights are the first matrix, (channels of the result, terms of a sum), and the
// gathered source is the second, (terms, pixels). A part computes the pixels of a chunk of some
// channels of the result.
//
// Two terms that follow each other are two channels of the source for one tap. The copy of the
// source holds such pairs, so a row of a tile is a run of 16 pixels of it. If there are enough
// channels, the rows of a tile are 16 pairs for one tap, and the tile is read where it is.
// Otherwise, and then the taps of a pair follow each other, tiles are packed.
type roundedProduct struct {
	product product // whose window is a description only
	taps    int
	copy    *phased
	tiles   int     // of a panel
	pairs   int     // of terms
	inPlace bool    // tiles of the source are read where they are
	places  []int32 // of the tiles of a panel of the source, in bytes: in the copy, or packed
	packedA []int32 // of those of a panel of the weights
	lines   []int32 // for each of them, the place of the source in the copy, in bytes
	rows    []int32 // for each row of the result, the index in a channel of its first pixel
	step    int     // between pixels of such a row

	// Used during a run.
	micro                  *bf16.Micro
	pool                   *parallel.Pool
	src, weight, bias, dst []float32
	packing                bool
	panels                 int // of the channels of a group of the result
	packed                 []uint32
	slices                 int // of these channels
}

// newRoundedProduct returns nil if the source is too large. rest is the position of the first
// pixel of one of several phases of x.
func newRoundedProduct(p product, rest []int) *roundedProduct {
	t := &roundedProduct{product: p, taps: 1, step: 1}
	w := p.window
	for _, s := range w.shift {
		t.taps *= len(s)
	}
	pairs := gemm.CeilDiv(w.channels, 2)
	w.channels = pairs
	positions := placedPositions
	if whole := gemm.RoundUp(pairs, bf16.Side); whole <= pairs*3/2 {
		t.inPlace, w.channels = true, whole // the copy has zeros behind the last pair
		t.tiles = whole / bf16.Side * t.taps
	} else {
		t.tiles = gemm.CeilDiv(pairs*t.taps, bf16.Side)
		positions = max(leastPositions, packedWords/(t.tiles*bf16.Words)*bf16.Side)
	}
	if t.copy = newPhased(w, rest == nil, p.geometry.Batch, bf16.Side, positions, copiedElements); t.copy == nil {
		return nil
	}
	t.terms(pairs)
	t.result(rest)
	return t
}

// terms fills the tables of the terms.
func (t *roundedProduct) terms(pairs int) {
	if p := &t.product; !p.backward {
		for tap := range t.taps {
			p.kernelTaps = append(p.kernelTaps, tap)
		}
	}
	t.pairs = pairs * t.taps
	t.packedA = bf16.PackedOffsets(nil, t.tiles)
	if t.inPlace {
		for q := 0; q < pairs; q += bf16.Side {
			for _, tap := range t.copy.taps {
				t.places = append(t.places, 4*(int32(q*t.copy.channel)+tap))
			}
		}
		return
	}
	t.places = t.packedA
	for q := range pairs {
		for _, tap := range t.copy.taps {
			t.lines = append(t.lines, 4*(int32(q*t.copy.channel)+tap))
		}
	}
	for len(t.lines)%4 != 0 { // as CopyLines wants
		t.lines = append(t.lines, t.lines[0])
	}
}

// result fills the table of the rows of the result.
func (t *roundedProduct) result(rest []int) {
	g := t.product.geometry
	t.rows = []int32{0}
	out := t.copy.out
	last := len(out) - 1
	for a, n := range out {
		if a == last {
			n = 1
		}
		t.rows = extend(t.rows, 1, n, func(i int) int {
			if rest == nil {
				return i * size(out[a+1:])
			}
			return (rest[a] + i*g.Stride[a]) * size(g.In[a+1:])
		})
	}
	if rest != nil {
		t.step = g.Stride[last]
	}
}

// panelWords returns the number of words of a panel.
func (t *roundedProduct) panelWords() int { return t.tiles * bf16.Words }

func (t *roundedProduct) run(op parallel.Op, src, weight, bias, dst []float32) {
	g := t.product.geometry
	t.micro, t.pool, t.src, t.weight, t.bias, t.dst = bf16.Active(), op.Pool(), src, weight, bias, dst
	t.panels = bf16.PanelCount(t.product.dstChannels)
	t.packed = bf16.AsWords(op.Workspace(g.Group * t.panels * t.panelWords()))
	work := g.macs() / roundedSpeed
	t.packing = true
	t.pool.RunWork(work, g.Group*t.panels, t)
	t.packing = false
	chunks := g.Group * t.copy.chunks(g.Batch)
	t.slices = max(1, min(gemm.CeilDiv(roundedParts, chunks), t.product.dstChannels/outputSlice))
	t.pool.RunWork(work, chunks*t.slices, t)
	t.pool, t.src, t.weight, t.bias, t.dst, t.packed = nil, nil, nil, nil, nil, nil
}

// Do packs a panel of the weights or computes a part.
func (t *roundedProduct) Do(worker, i int) {
	if t.packing {
		t.pack(worker, i/t.panels, i%t.panels)
		return
	}
	slice, group := i%t.slices, i/t.slices%t.product.geometry.Group
	from, to := slice*t.panels/t.slices, (slice+1)*t.panels/t.slices
	t.compute(worker, group, i/t.slices/t.product.geometry.Group, from*bf16.Side, min(to*bf16.Side, t.product.dstChannels))
}

// pack packs a panel of the weights.
func (t *roundedProduct) pack(worker, group, panel int) {
	g, p := t.product.geometry, &t.product
	dst := t.packed[(group*t.panels+panel)*t.panelWords():][:t.panelWords()]
	first := panel * bf16.Side
	n := min(bf16.Side, p.dstChannels-first)
	if n < bf16.Side || t.pairs < t.tiles*bf16.Side || p.channels%2 == 1 {
		clear(dst)
	}
	perOutput := g.groupChannels() * g.taps
	w := t.weight[group*g.groupOutputs()*perOutput:]
	switch {
	case g.taps == 1:
		// Two channels of one tap are elements that follow each other.
		if p.backward {
			t.micro.PackRows(t.pool, worker, false, n, p.channels, w[first:], perOutput, dst)
		} else {
			t.micro.RoundRows(n, p.channels, w[first*perOutput:], perOutput, dst)
		}
	case p.backward:
		t.packTaps(worker, n, perOutput, g.taps, w[first*g.taps:], dst)
	default:
		t.packTaps(worker, n, g.taps, perOutput, w[first*perOutput:], dst)
	}
}

// packTaps packs n rows of weights, between elements apart. The weights of a channel and the
// taps that follow it are step apart from those of the next channel.
func (t *roundedProduct) packTaps(worker, n, step, between int, w []float32, dst []uint32) {
	p := &t.product
	taps := p.geometry.taps
	pairs := bf16.AsWords(t.pool.Scratch(worker, bf16.Side*taps))
	// The rows are packed one by one, or, if they are adjacent, all together.
	together := 1
	if between == taps {
		together = n
	}
	for q := range gemm.CeilDiv(p.channels, 2) {
		for i := 0; i < n; i += together {
			even := w[2*q*step+i*between:][:together*taps]
			var odd []float32
			if 2*q+1 < p.channels {
				odd = w[(2*q+1)*step+i*between:][:together*taps]
			}
			t.micro.Pair(even, odd, pairs, between)
			for r := range together {
				k, next := q*t.taps, 1
				if t.inPlace {
					k, next = q/bf16.Side*t.taps*bf16.Side+q%bf16.Side, bf16.Side
				}
				for _, tap := range p.kernelTaps {
					dst[k/bf16.Side*bf16.Words+(i+r)*bf16.Side+k%bf16.Side] = pairs[r*taps+tap]
					k += next
				}
			}
		}
	}
}

// compute computes the channels from to to-1 of a group of the result, for chunk i.
func (t *roundedProduct) compute(worker, group, i, from, to int) {
	f, p, step := t.copy, &t.product, t.panelWords()
	c := f.chunk(p.geometry.Batch, i)
	panels := f.images * len(f.starts) // at most
	copied, packed, summed := f.images*f.image+f.slack(), panels*step, 2*bf16.Side*panels*bf16.Side
	if t.inPlace {
		packed = 0
	}
	buf := t.pool.Scratch(worker, copied+packed+summed+f.rowSize())
	x, b, sums := bf16.AsWords(buf[:copied]), bf16.AsWords(buf[copied:][:packed]), buf[copied+packed:][:summed]
	t.fill(group, c, x, buf[copied+packed+summed:])
	for row := 0; row < c.rows; row += f.rows {
		band := c
		band.row, band.rows = c.row+row, min(f.rows, c.rows-row)
		t.multiply(group, band, from, to, x[row*f.pitch[0]:], b, sums)
	}
}

// multiply computes a band of the rows of a chunk.
func (t *roundedProduct) multiply(group int, c chunk, from, to int, x, b []uint32, sums []float32) {
	f, p, step := t.copy, &t.product, t.panelWords()
	runs := f.runs(c.rows)
	panels := c.images * runs
	width := panels * bf16.Side
	start := func(panel int) int { return panel/runs*f.image + int(f.starts[panel%runs]) }
	if !t.inPlace {
		for k := range panels {
			dst := b[k*step:][:step]
			t.micro.CopyLines((*byte)(unsafe.Pointer(&x[start(k)])), t.lines, dst)
			clear(dst[t.pairs*bf16.Side:])
		}
	}
	for o := from; o < to; o += 2 * bf16.Side {
		n := min(2*bf16.Side, to-o)
		if t.bias != nil {
			for j := range n {
				vec.Fill(t.bias[group*p.dstChannels+o+j], sums[j*width:][:width])
			}
		}
		weights := bf16.Packed(t.packed, (group*t.panels+o/bf16.Side)*step, n, t.packedA)
		for k := 0; k < panels; k += 2 {
			source := bf16.Panels{Count: min(2, panels-k), Off: t.places}
			if t.inPlace {
				source.Tiles, source.Pitch = unsafe.Pointer(&x[start(k)]), 4*f.channel
				source.Step = 4 * (start(k+source.Count-1) - start(k))
			} else {
				source = bf16.Packed(b, k*step, (panels-k)*bf16.Side, t.places)
			}
			t.micro.Multiply(weights, source, sums[k*bf16.Side:], width, t.bias != nil)
		}
		for j := range n {
			for image := range c.images {
				channel := ((c.image+image)*p.geometry.Group+group)*p.dstChannels + o + j
				t.write(c, sums[j*width+image*runs*bf16.Side:], t.dst[channel*p.dstSize:][:p.dstSize])
			}
		}
	}
}

// fill copies the source of a chunk. row has room for a row.
func (t *roundedProduct) fill(group int, c chunk, x []uint32, row []float32) {
	f, p := t.copy, &t.product
	n, step := size(p.window.src), f.step[len(f.step)-1]
	clear(x)
	for image := range c.images {
		for ch := 0; ch < p.channels; ch += 2 {
			src := t.src[(((c.image+image)*p.geometry.Group+group)*p.channels+ch)*n:]
			dst := x[image*f.image+ch/2*f.channel:][:f.channel]
			for _, r := range f.sources(c) {
				even := strided(src[r.from:n], step, r.n, row)
				var odd []float32
				if ch+1 < p.channels {
					odd = strided(src[n+r.from:2*n], step, r.n, row[len(row)/2:])
				}
				t.micro.Pair(even, odd, dst[r.to:], 2*n)
			}
		}
	}
}

// write writes the pixels of a chunk to a channel of the result.
func (t *roundedProduct) write(c chunk, sums, dst []float32) {
	lines, line := t.copy.count(c.rows)
	if len(t.copy.out) == 1 {
		spread(dst[int(t.rows[0])+c.row*t.step:], sums[:line], t.step)
		return
	}
	rows := t.rows[c.row*(lines/c.rows):]
	for l, at := range t.copy.lines[:lines] {
		spread(dst[rows[l]:], sums[at:][:line], t.step)
	}
}
