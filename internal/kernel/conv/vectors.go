package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
)

const (
	// channelPixels is the number of pixels of a tile of every channelsFunc.
	channelPixels = 6

	// channelTaps is the number of taps of every channelsGradFunc.
	channelTaps = 9

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
//	y[to[q]+l] = bias[l] + Σₚ x[pixels[q]+off[p]+l] * w[p*lanes+l]
//
// for q below channelPixels*tiles, p below taps, which is above 0, and the lanes l; a nil
// bias stands for zeros.
type channelsFunc func(tiles, taps int, x *float32, pixels, off *int32, w, bias, y *float32, to *int32)

// A channelsGradFunc adds the gradients of channelTaps taps of such a convolution to sums:
//
//	sums[p*lanes+l] += Σ x[pixels[q]+off[p]+l] * dy[q*lanes+l]
//
// over the q below n, which is above 0.
type channelsGradFunc func(n int, x *float32, pixels, off *int32, dy, sums *float32)

// channelVectors cuts the planes of groups of one channel, with two spatial axes, into
// parts for vectors whose lanes are channels: some rows of the output of as many planes as
// a vector has lanes, of an image or, where planes are small, of several. So a pixel takes as
// long in planes of 7x7 as in large ones.
type channelVectors struct {
	*window
	geometry    *geometry
	inputMap    *norm.VectorMap // of the source; nil for none
	lanes       int             // that the rest is for; 0: nothing yet
	vectors     int             // of an image
	images      int             // of a part
	rows, bands int             // of the output: rows of a part, and parts of a plane
	rowStep     int             // elements from row to row of the padded vectors
}

// cut splits planes whose rows have the given number of pixels.
func (t *channelVectors) cut(lanes, line int) {
	t.lanes = lanes
	t.vectors = gemm.CeilDiv(t.geometry.Group, lanes)
	n, batch := t.out[0]*line, t.geometry.Batch
	pixels := min(channelBand, max(channelLeast, batch*t.vectors*n/channelParts))
	t.rows = gemm.CeilDiv(t.out[0], min(t.out[0], gemm.CeilDiv(n, pixels)))
	t.bands = gemm.CeilDiv(t.out[0], t.rows)
	t.images = max(1, min(batch, pixels/n))
	t.rowStep = t.extent[1] * lanes
}

// copied returns the number of elements of the padded source of a part.
func (t *channelVectors) copied() int { return ((t.rows-1)*t.step[0] + t.span) * t.rowStep }

// loaded returns the number of elements that load needs besides.
func (t *channelVectors) loaded() int {
	return min(t.window.src[0], (t.rows-1)*t.step[0]+t.span) * t.window.src[1] * t.lanes
}

// pixelOffsets returns the offsets in the padded source of the pixels of some rows of n.
func (t *channelVectors) pixelOffsets(rows, n int) []int32 {
	list := make([]int32, 0, gemm.RoundUp(rows*n, channelPixels))
	for y := range rows {
		for x := range n {
			list = append(list, int32(y*t.step[0]*t.rowStep+x*t.step[1]*t.lanes))
		}
	}
	return list
}

// tapOffsets returns the offsets in the padded source of taps with the given displacements.
func (t *channelVectors) tapOffsets(shift [][]int) []int32 {
	var list []int32
	for _, y := range shift[0] {
		for _, x := range shift[1] {
			list = append(list, int32(y*t.rowStep+x*t.lanes))
		}
	}
	return list
}

// fillUp repeats the last offset until the number of offsets is a multiple of unit.
func fillUp(list []int32, unit int) []int32 {
	for len(list)%unit != 0 {
		list = append(list, list[len(list)-1])
	}
	return list
}

// A channelPart is a part of the work. Its vectors begin with channel ch; the first lanes, as
// many as skip, are of another part too.
type channelPart struct {
	image, images int
	ch, skip      int
	row, rows     int
}

// parts returns the number of parts.
func (t *channelVectors) parts() int {
	return gemm.CeilDiv(t.geometry.Batch, t.images) * t.vectors * t.bands
}

// part returns part i.
func (t *channelVectors) part(i int) channelPart {
	band, i := i%t.bands, i/t.bands
	first := i % t.vectors * t.lanes
	p := channelPart{image: i / t.vectors * t.images, row: band * t.rows, ch: min(first, t.geometry.Group-t.lanes)}
	p.images = min(t.images, t.geometry.Batch-p.image)
	p.rows = min(t.rows, t.out[0]-p.row)
	p.skip = first - p.ch
	return p
}

// load copies the source of a part, of an image, to x, which has zeros around it, and maps it.
func (t *channelVectors) load(u *gemm.Micro, p channelPart, image int, src, rows, x []float32) {
	first, end := t.within(0, p.row*t.step[0], (p.rows-1)*t.step[0]+t.span)
	left, right := t.within(1, 0, t.extent[1])
	if first >= end || left >= right {
		return
	}
	width, lanes := t.window.src[1], t.lanes
	at := (image*t.geometry.Group+p.ch)*t.srcSize + (p.row*t.step[0]+first-t.pad[0])*width
	skip, n := left-t.pad[1], right-left
	if n >= lanes && gemm.RoundUp(n, lanes)*2 <= n*3 { // the blocks of a row overlap little
		for row := first; row < end; row++ {
			to := x[row*t.rowStep+left*lanes:][:n*lanes]
			u.TransposeTo(lanes, n, src[at+skip:], t.srcSize, to, lanes)
			t.inputMap.Apply(0, p.ch, to)
			at += width
		}
		return
	}
	u.TransposeTo(lanes, (end-first)*width, src[at:], t.srcSize, rows, lanes)
	t.inputMap.Apply(0, p.ch, rows[:(end-first)*width*lanes])
	u.CopyTo(end-first, n*lanes, rows[skip*lanes:], width*lanes, x[first*t.rowStep+left*lanes:], t.rowStep)
}
