package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

// singlesCost is the time of a multiply-add with the turning of the planes, in multiply-adds of a
// micro-kernel: with kernels of 3x3, planes of 7x7 and 14x14 take 1.8 ns a pixel on a Zen 4.
const singlesCost = 6

// singles computes a product of groups of one channel of the source and of the result, or
// those of all phases of the gradient of the data, by vectors of channels. A part turns
// some rows of planes into vectors, and back.
type singles struct {
	*product
	of     []*phase // the phases, the first of which has the product; nil if there is only the product
	cut    channelVectors
	step   [2]int // of the result: between pixels of a phase
	width  int    // of a row of the result
	gaps   bool   // there are pixels of no phase
	taps   int    // of all phases
	phases []singlesPhase
	ends   []int // of the parts of a plane of the result

	// Used during a run.
	stream bool         // the result is written past the caches
	sums   *singlesSums // of the gradient of the weights; nil if not requested
}

// singlesPhase holds the tables of a phase.
type singlesPhase struct {
	rows, line      int   // of its pixels
	taps            []int // of the kernel
	pixels, off, to []int32
}

// fits reports whether singles can compute the product and should.
func (t *singles) fits() bool {
	g, lanes := t.geometry, t.micro.Lanes
	if channelsOf[cpu.Active()] == nil || !depthwise(g) || len(g.In) != 2 || g.Group < lanes {
		return false
	}
	if t.of == nil && (t.nTaps == 1 || t.outSize != t.dstSize) {
		return false
	}
	if t.cut.lanes != lanes {
		t.prepare(lanes)
	}
	return t.cut.copied() <= channelCopy
}

// prepare cuts the work and fills the tables.
func (t *singles) prepare(lanes int) {
	t.cut.window, t.cut.geometry = &t.window, t.geometry
	t.step, t.width = [2]int{1, 1}, t.out[1]
	if t.of != nil {
		t.step, t.width = [2]int(t.geometry.Stride), t.geometry.In[1]
	}
	t.cut.cut(lanes, t.step[0]*t.width)
	t.phases, t.taps, t.ends = nil, 0, nil
	for i := range t.cut.bands {
		t.ends = append(t.ends, min((i+1)*t.band(), t.dstSize))
	}
	if t.cut.copied() > channelCopy {
		return
	}
	if t.of == nil {
		t.add(t.product, []int{0, 0}, t.out)
	}
	pixels := 0
	for _, f := range t.of {
		t.add(&f.product, f.rest, f.shape)
		pixels += size(f.shape)
	}
	t.gaps = t.of != nil && pixels < t.dstSize
}

// add adds a phase whose pixels have the given shape and begin at pixel rest of the result.
func (t *singles) add(p *product, rest, shape []int) {
	f := singlesPhase{rows: shape[0], line: shape[1], taps: p.kernelTaps}
	for tap := len(f.taps); tap < p.nTaps; tap++ { // the forward pass
		f.taps = append(f.taps, tap)
	}
	rows := min(t.cut.rows, shape[0])
	f.pixels = fillUp(t.cut.pixelOffsets(rows, f.line), channelPixels)
	f.off = t.cut.tapOffsets(p.shift)
	for y := range rows {
		for x := range f.line {
			f.to = append(f.to, int32(((y*t.step[0]+rest[0])*t.width+x*t.step[1]+rest[1])*t.cut.lanes))
		}
	}
	f.to = fillUp(f.to, channelPixels)
	t.phases = append(t.phases, f)
	t.taps += len(f.taps)
}

func (t *singles) run() {
	// An epilogue reads the result again.
	t.stream = t.then.Epilogue == nil && t.micro.Stream != nil && streams(t.dst, t.dstSize) && streams(t.dst, t.band())
	t.pool.RunWork(singlesCost*t.geometry.macs(), t.cut.parts(), t)
}

// band returns the number of pixels of a part of a plane of the result.
func (t *singles) band() int { return t.cut.rows * t.step[0] * t.width }

// Do computes part i.
func (t *singles) Do(worker, i int) {
	u, lanes, p := t.micro, t.cut.lanes, t.cut.part(i)
	row := p.row * t.step[0] // of the result
	pixels := (min((p.row+p.rows)*t.step[0], t.dstSize/t.width) - row) * t.width
	padded, results := t.cut.copied(), t.band()*lanes
	buf := t.pool.Scratch(worker, padded+2*max(results, t.cut.loaded())+(t.taps+1)*lanes)
	x, buf := buf[:padded], buf[padded:]
	w, buf := buf[:t.taps*lanes], buf[t.taps*lanes:]
	bias, buf := buf[:lanes], buf[lanes:]
	y, rest := buf[:len(buf)/2], buf[len(buf)/2:]
	t.packWeights(p.ch, w, bias)
	clear(x)
	if t.sums != nil {
		clear(t.sums.of(i))
	}
	for image := p.image; image < p.image+p.images; image++ {
		t.cut.load(u, p, image, t.src, rest, x)
		at := (image*t.geometry.Group+p.ch)*t.dstSize + row*t.width
		if t.sums != nil {
			t.sums.add(i, p, x, at, pixels, rest)
		}
		if t.gaps {
			clear(y)
		}
		t.convolve(p, x, w, bias, y)
		done := t.then.ApplyVectors(p.ch, lanes, lanes, y[:pixels*lanes])
		switch {
		case p.skip == 0 && t.stream:
			_ = t.dst[at+(lanes-1)*t.dstSize+pixels-1]
			u.Stream(pixels/lanes, &y[0], lanes, lanes*lanes, &t.dst[at], t.dstSize, lanes)
		case p.skip == 0:
			u.TransposeTo(pixels, lanes, y, lanes, t.dst[at:], t.dstSize)
		default:
			u.TransposeTo(pixels, lanes, y, lanes, rest, pixels)
			at += p.skip * t.dstSize
			u.CopyTo(lanes-p.skip, pixels, rest[p.skip*pixels:], pixels, t.dst[at:], t.dstSize)
		}
		if t.then.sums != nil {
			sums := t.then.sums.Vectors(lanes, p.skip, lanes, image*t.geometry.Group+p.ch, row*t.width)
			sums.Add(y[:pixels*lanes])
			sums.End()
		} else if !done {
			t.finish(p.ch+p.skip, lanes-p.skip, at, pixels)
		}
	}
}

// convolve computes the pixels of a part.
func (t *singles) convolve(p channelPart, x, w, bias, y []float32) {
	for _, f := range t.phases {
		if rows := min(p.rows, f.rows-p.row); rows > 0 && f.line > 0 {
			tiles := gemm.CeilDiv(rows*f.line, channelPixels)
			channelsOf[cpu.Active()](tiles, len(f.taps), &x[0], &f.pixels[0], &f.off[0], &w[0], &bias[0], &y[0], &f.to[0])
		}
		w = w[len(f.taps)*t.cut.lanes:]
	}
}

// packWeights packs the weights and biases of the groups from ch on: a vector for each tap.
func (t *singles) packWeights(ch int, w, bias []float32) {
	clear(bias)
	if t.bias != nil {
		copy(bias, t.bias[ch:][:len(bias)])
	}
	lanes, taps := t.cut.lanes, t.geometry.taps
	weight := t.weight[ch*taps:][:lanes*taps]
	for _, f := range t.phases {
		for p, tap := range f.taps {
			row := w[p*lanes:][:lanes]
			for i := range row {
				row[i] = weight[i*taps+tap]
			}
		}
		w = w[len(f.taps)*lanes:]
	}
}
