package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

const (
	// channelPixels is the number of pixels of a tile of every channelsFunc.
	channelPixels = 6

	// channelBand is the approximate number of pixels of a part. With their zeros, the
	// vectors of the source and of the result are 128 KB each and stay in the L2 cache.
	channelBand = 1024

	// channelParts is the number of parts that there are at least, for many threads, unless
	// they would be smaller than channelLeast pixels.
	channelParts = 16
	channelLeast = 96

	// channelCopy bounds the elements of the padded source of a part.
	channelCopy = 1 << 20
)

// A channelsFunc convolves vectors, each lane of which is a channel of its own:
//
//	y[q*lanes+l] = bias[l] + Σₚ x[pixels[q]+off[p]+l] * w[p*lanes+l]
//
// for q below channelPixels*tiles, p below taps, which is above 0, and the lanes l; a nil
// bias stands for zeros.
type channelsFunc func(tiles, taps int, x *float32, pixels, off *int32, w, bias, y *float32)

// singles computes a product of groups of one channel of the source and of the result,
// with two spatial axes. A part turns some rows of as many planes as a vector has lanes
// into vectors, and back. So a pixel takes as long in planes of 7x7 as in large ones.
type singles struct {
	*product
	rows, bands  int // of the result: rows of a part, and parts of a plane
	rowStep      int // elements from row to row of the padded vectors
	lanes        int // that the tables are for; 0: no tables yet
	pixels, taps []int32
}

// fits reports whether singles can compute the product and should.
func (t *singles) fits() bool {
	if channelsOf[cpu.Active()] == nil || t.channels != 1 || t.dstChannels != 1 || len(t.out) != 2 || t.nTaps == 1 ||
		t.geometry.Group < t.micro.Lanes || t.outSize != t.dstSize {
		return false
	}
	if t.lanes != t.micro.Lanes {
		t.lanes = t.micro.Lanes
		t.cut()
		if t.copied() <= channelCopy {
			t.tables()
		}
	}
	return t.copied() <= channelCopy
}

// cut splits the rows of a plane.
func (t *singles) cut() {
	vectors := t.geometry.Batch * gemm.CeilDiv(t.geometry.Group, t.lanes)
	pixels := min(channelBand, max(channelLeast, vectors*t.outSize/channelParts))
	t.rows = gemm.CeilDiv(t.out[0], min(t.out[0], gemm.CeilDiv(t.outSize, pixels)))
	t.bands = gemm.CeilDiv(t.out[0], t.rows)
	t.rowStep = t.extent[1] * t.lanes
}

// copied returns the number of elements of the padded source of a part.
func (t *singles) copied() int { return ((t.rows-1)*t.step[0] + t.span) * t.rowStep }

// tables lists the offsets of the pixels of a part and of the taps.
func (t *singles) tables() {
	t.pixels, t.taps = t.pixels[:0], t.taps[:0]
	for y := range t.rows {
		for x := range t.out[1] {
			t.pixels = append(t.pixels, int32(y*t.step[0]*t.rowStep+x*t.step[1]*t.lanes))
		}
	}
	for len(t.pixels)%channelPixels != 0 {
		t.pixels = append(t.pixels, t.pixels[len(t.pixels)-1])
	}
	for _, y := range t.shift[0] {
		for _, x := range t.shift[1] {
			t.taps = append(t.taps, int32(y*t.rowStep+x*t.lanes))
		}
	}
}

func (t *singles) run() {
	g := t.geometry
	t.pool.RunWork(g.macs(), g.Batch*gemm.CeilDiv(g.Group, t.lanes)*t.bands, t)
}

// Do computes part i: some rows of a vector of channels of an image.
func (t *singles) Do(worker, i int) {
	u, lanes, groups := t.micro, t.lanes, t.geometry.Group
	band, i := i%t.bands, i/t.bands
	vectors := gemm.CeilDiv(groups, lanes)
	image, ch := i/vectors, i%vectors*lanes
	n := min(lanes, groups-ch)

	row := band * t.rows
	rows := min(t.rows, t.out[0]-row)
	first, end := t.within(0, row*t.step[0], (rows-1)*t.step[0]+t.span)
	left, right := t.within(1, 0, t.extent[1])
	width := t.window.src[1]
	source := max(0, end-first) * width // pixels
	pixels, tiles := rows*t.out[1], gemm.CeilDiv(rows*t.out[1], channelPixels)
	padded := t.copied()
	buf := t.pool.Scratch(worker, padded+max((source+1), tiles*channelPixels)*lanes+(t.nTaps+1)*lanes)
	x, buf := buf[:padded], buf[padded:]
	w, buf := buf[:t.nTaps*lanes], buf[t.nTaps*lanes:]
	bias, vec := buf[:lanes], buf[lanes:]
	t.packWeights(ch, n, w, bias)

	at := image*groups + ch
	clear(x)
	if source > 0 && left < right {
		from := row*t.step[0] + first - t.pad[0]
		interleave(u, n, source, t.src[at*t.srcSize+from*width:], t.srcSize, vec)
		skip := left - t.pad[1]
		u.CopyTo(end-first, (right-left)*lanes, vec[skip*lanes:], width*lanes, x[first*t.rowStep+left*lanes:], t.rowStep)
	}
	channelsOf[cpu.Active()](tiles, t.nTaps, &x[0], &t.pixels[0], &t.taps[0], &w[0], &bias[0], &vec[0])
	to := at*t.dstSize + row*t.out[1]
	deinterleave(u, u.Transpose, n, pixels, vec, t.dst[to:], t.dstSize)
	t.finish(ch, n, to, pixels)
}

// packWeights packs the weights and biases of n groups from ch on: a vector for each tap.
func (t *singles) packWeights(ch, n int, w, bias []float32) {
	clear(w)
	clear(bias)
	if t.bias != nil {
		copy(bias, t.bias[ch:][:n])
	}
	taps := t.geometry.taps
	weight := t.weight[ch*taps:][:n*taps]
	for p := range t.nTaps {
		tap := p
		if t.backward {
			tap = t.kernelTaps[p]
		}
		row := w[p*t.lanes:][:n]
		for i := range row {
			row[i] = weight[i*taps+tap]
		}
	}
}
