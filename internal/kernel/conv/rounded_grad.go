package conv

import (
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// gradPositions is the approximate number of pixels that are summed at a time.
	gradPositions = 1024

	// roundedRows and roundedOutputs bound the sums of a part.
	roundedRows    = 576
	roundedOutputs = 8 * bf16.Side
)

// roundedGrad is the gradient of the weights: the product of the gathered source, (channels
// and taps, pixels), and of dy, (pixels, outputs). A part computes some rows and outputs of it over a
// part of the batch. Then the parts' sums are added in order.
//
// The copy of the source holds single elements, so a row of a tile is a run of 32 pixels of
// it. With whole panels of channels, the rows of a tile are 16 channels for one tap, and the
// tile is read where it is. Otherwise, and then the taps of a channel follow each other, tiles
// are packed. dy is 0 at positions that are of no pixel.
type roundedGrad struct {
	geometry *geometry
	copy     *phased
	ranges   int     // pieces of the channels of a group
	slices   int     // of the outputs of a group
	lines    []int32 // for each row of the product, the place of the source in the copy, in bytes
	inPlace  bool    // tiles of the source are read where they are
	places   []int32 // of the tiles of a panel of the source if so, in bytes
	packed   []int32 // of the tiles of a packed panel

	// Used during a run.
	micro            *bf16.Micro
	pool             *parallel.Pool
	x, dy, dweight   []float32
	reducing         bool
	parts            int // of the batch
	sums             []float32
	sumSize, outputs int // of a part
}

// newRoundedGrad returns nil if the source is too large.
func newRoundedGrad(g *geometry) *roundedGrad {
	const unit = bf16.Side // any number of taps of so many channels fill whole panels
	channels := min(g.groupChannels(), max(1, roundedRows/g.taps/unit)*unit)
	t := &roundedGrad{geometry: g, ranges: gemm.CeilDiv(g.groupChannels(), channels)}
	t.outputs = min(roundedOutputs, gemm.RoundUp(g.groupOutputs(), bf16.Side))
	t.slices = gemm.CeilDiv(g.groupOutputs(), t.outputs)
	if t.copy = newPhased(forwardWindow(g, channels), true, g.Batch, bf16.Depth, gradPositions, copiedElements); t.copy == nil {
		return nil
	}
	t.inPlace = g.groupChannels()%bf16.Side == 0 // and so is channels
	inner := 1                                   // channels that follow each other
	if t.inPlace {
		inner = bf16.Side
	}
	for c := 0; c < channels; c += inner {
		for _, tap := range t.copy.taps {
			for i := range inner {
				t.lines = append(t.lines, 2*(int32((c+i)*t.copy.channel)+tap))
			}
		}
	}
	for image := range t.copy.images {
		for _, start := range t.copy.starts {
			t.places = append(t.places, 2*(int32(image*t.copy.image)+start))
		}
	}
	t.packed = bf16.PackedOffsets(nil, len(t.places))
	for len(t.lines)%bf16.Side != 0 {
		t.lines = append(t.lines, 0) // the sums of these rows are not used
	}
	t.sumSize = len(t.lines) * t.outputs
	return t
}

func (t *roundedGrad) run(op parallel.Op, x, dy, dweight []float32) {
	g := t.geometry
	t.micro, t.pool, t.x, t.dy, t.dweight = bf16.Active(), op.Pool(), x, dy, dweight
	blocks := g.Group * t.ranges * t.slices
	t.parts = min(gemm.CeilDiv(2*roundedParts, blocks), t.copy.chunks(g.Batch))
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	work := g.macs() / roundedSpeed
	t.reducing = false
	t.pool.RunWork(work, blocks*t.parts, t)
	t.reducing = true
	t.pool.RunWork(work, blocks, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
}

// Do computes the sums of a part, or adds those of all parts of a block.
func (t *roundedGrad) Do(worker, i int) {
	block, part := i, 0
	if !t.reducing {
		block, part = i/t.parts, i%t.parts
	}
	b := gradBlock{
		group: block / (t.slices * t.ranges),
		o:     block / t.ranges % t.slices * t.outputs,
		ch:    block % t.ranges * t.copy.channels,
	}
	b.n = min(t.outputs, t.geometry.groupOutputs()-b.o)
	b.channels = min(t.copy.channels, t.geometry.groupChannels()-b.ch)
	sums := t.sums[block*t.parts*t.sumSize:]
	if t.reducing {
		t.reduce(worker, b, sums)
		return
	}
	t.sum(worker, part, b, sums[part*t.sumSize:][:t.sumSize])
}

// gradBlock is a block of the gradient: n outputs from o on and some channels from ch on, of a group.
type gradBlock struct{ group, o, n, ch, channels int }

// sum computes the sums of a block for a part of the batch.
func (t *roundedGrad) sum(worker, part int, b gradBlock, sums []float32) {
	g, f := t.geometry, t.copy
	chunks := f.chunks(g.Batch)
	first, end := part*chunks/t.parts, (part+1)*chunks/t.parts
	full := f.images * len(f.starts) // tiles of a panel
	copied := gemm.CeilDiv(f.images*f.image+f.slack(), 2)
	panels, words := bf16.PanelCount(b.n), full*bf16.Words
	buf := t.pool.Scratch(worker, copied+(3+panels)*words+f.rowSize())
	row := buf[copied+(3+panels)*words:]
	packed := bf16.AsWords(buf[copied:])
	x, a, dy, rest := bf16.Halves(bf16.AsWords(buf[:copied])), packed[:2*words], packed[2*words:][:panels*words], packed[(2+panels)*words:][:words]
	for i := first; i < end; i++ {
		c := f.chunk(g.Batch, i)
		t.fill(b, c, x, row)
		for r := 0; r < c.rows; r += f.rows {
			band := c
			band.row, band.rows = c.row+r, min(f.rows, c.rows-r)
			t.multiply(b, band, x[r*f.pitch[0]:], a, dy, rest, sums, i > first || r > 0)
		}
	}
}

// multiply adds to the sums of a block those of a band of the rows of a chunk, or sets them.
func (t *roundedGrad) multiply(b gradBlock, c chunk, x []uint16, a, dy, rest []uint32, sums []float32, add bool) {
	g, f := t.geometry, t.copy
	runs := f.runs(c.rows)
	tiles := c.images * runs
	step := tiles * bf16.Words
	panels, rows := bf16.PanelCount(b.n), gemm.RoundUp(b.channels*g.taps, bf16.Side)
	for panel := range panels {
		t.packOutputs(b, c, panel*bf16.Side, runs, rest[:step], dy[panel*step:][:step])
	}
	for r := 0; r < rows; r += 2 * bf16.Side {
		n := min(2*bf16.Side, rows-r)
		lines := t.lines[r:][:n]
		source := bf16.Packed(a, 0, n, t.packed[:tiles])
		if t.inPlace {
			source = bf16.Panels{
				Count: n / bf16.Side, Tiles: unsafe.Add(unsafe.Pointer(&x[0]), lines[0]), Off: t.places[:tiles],
				Pitch: 2 * f.channel, Step: int(lines[n-bf16.Side] - lines[0]),
			}
		} else {
			for p := 0; p < n; p += bf16.Side {
				for k, at := range t.places[:tiles] {
					t.micro.CopyLines((*byte)(unsafe.Add(unsafe.Pointer(&x[0]), at)), lines[p:][:bf16.Side], a[p/bf16.Side*step+k*bf16.Words:])
				}
			}
		}
		for o := 0; o < panels; o += 2 {
			outputs := bf16.Packed(dy, o*step, (panels-o)*bf16.Side, t.packed[:tiles])
			t.micro.Multiply(source, outputs, sums[r*t.outputs+o*bf16.Side:], t.outputs, add)
		}
	}
}

// fill copies the source of a chunk. row has room for a row.
func (t *roundedGrad) fill(b gradBlock, c chunk, x []uint16, row []float32) {
	f, g := t.copy, t.geometry
	step := f.step[len(f.step)-1]
	clear(x)
	for image := range c.images {
		for ch := range b.channels {
			src := t.x[((c.image+image)*g.Channels+b.group*g.groupChannels()+b.ch+ch)*g.inSize:][:g.inSize]
			dst := x[image*f.image+ch*f.channel:][:f.channel]
			for _, r := range f.sources(c) {
				t.micro.Round(strided(src[r.from:], step, r.n, row), dst[r.to:], g.inSize)
			}
		}
	}
}

// packOutputs packs the elements of dy of at most 16 outputs, from first on of a block, in
// a chunk. rows has room for them before they are transposed.
func (t *roundedGrad) packOutputs(b gradBlock, c chunk, first, runs int, rows, dst []uint32) {
	f, g := t.copy, t.geometry
	lines, line := f.count(c.rows)
	clear(rows)
	halves := bf16.Halves(rows)
	width := len(halves) / bf16.Side
	chunkSize := lines * line
	from := c.row * (g.outSize / f.out[0])
	for o := range min(bf16.Side, b.n-first) {
		for image := range c.images {
			src := t.dy[((c.image+image)*g.Outputs+b.group*g.groupOutputs()+b.o+first+o)*g.outSize+from:][:chunkSize]
			to := halves[o*width+image*runs*bf16.Depth:]
			for l, at := range f.lines[:lines] {
				t.micro.Round(src[l*line:][:line], to[at:], g.outSize)
			}
		}
	}
	t.micro.Transpose(len(rows)/bf16.Words, rows, width/2, dst)
}

// reduce adds the sums of all parts to a block of the gradient.
func (t *roundedGrad) reduce(worker int, b gradBlock, sums []float32) {
	g := t.geometry
	rows := b.channels * g.taps
	for part := 1; part < t.parts; part++ {
		vec.Axpy(1, sums[part*t.sumSize:][:rows*t.outputs], sums[:rows*t.outputs])
	}
	transposed := t.pool.Scratch(worker, b.n*rows)
	gemm.Active().TransposeTo(rows, b.n, sums, t.outputs, transposed, rows)
	for i := range b.n {
		from, at := transposed[i*rows:][:rows], ((b.group*g.groupOutputs()+b.o+i)*g.groupChannels()+b.ch)*g.taps
		to := t.dweight[at:][:rows]
		if !t.inPlace || g.taps == 1 {
			vec.Axpy(1, from, to)
			continue
		}
		for c := 0; c < b.channels; c += bf16.Side {
			for tap := range g.taps {
				for j, v := range from[c*g.taps+tap*bf16.Side:][:bf16.Side] {
					to[(c+j)*g.taps+tap] += v
				}
			}
		}
	}
}
