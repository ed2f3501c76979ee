package conv

import (
	"errors"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

const (
	// chunkPixels and chunkSize bound the pixels of a chunk and the elements of its
	// copy, so that the copy, the sums of its pixels and a piece of a panel fit the
	// L2 cache together.
	chunkPixels = 1024
	chunkSize   = 128 << 10

	// leastChunks is the minimum number of chunks, for many threads, unless they would be
	// smaller than fewPixels.
	leastChunks = 16
	fewPixels   = 8 * gemm.TileRows

	// maxCopy bounds the copy of a chunk of a single row, and the offsets in it.
	maxCopy = 1 << 28
)

// A window moves over a source of several channels: output pixel (q₀, q₁, ...) and
// tap (t₀, t₁, ...) meet at position qₐ*step[a] + shift[a][tₐ] - pad[a] of axis a;
// outside the source there are zeros.
//
// A window works on chunks: some images, or some rows (along the first axis) of one
// image. fill copies the source of a chunk with its zeros; in the copy, pixel q and tap
// t of channel c meet at pixels[q] + taps[c*nTaps+t].
//
// If split is set, as is possible with several axes and a step of 2 along the last one, a
// row of the copy holds its even positions and then its odd ones, so that the pixels of a
// row are adjacent.
//
// If flat is set, the pixels of a chunk are nearly adjacent: an image follows the one before,
// neighbouring rows and images share the zeros between them, and all axes of step 2 are split:
// the copy has the even positions of all rows and images before the odd ones.
type window struct {
	channels int
	src      []int   // extent of the source
	pad      []int   // zeros before the source; negative: that much of it is skipped
	step     []int   // from one output pixel to the next
	shift    [][]int // displacements of the taps, from 0 up
	out      []int   // extent of the output

	// Windows that share a copy have the same parts, their number, and the same reach, the
	// extent that the displacements of all of them need.
	parts int
	reach []int

	split  bool // the even positions of a row come before the odd ones
	flat   bool
	groups int // with flat: the work has so many parts for each chunk

	nTaps, srcSize, outSize int
	images, rows, bands     int   // of a chunk: images, or rows of one; bands: chunks of an image
	extent                  []int // of the padded source
	copied                  []int // of the copy: extent, but a split row has as many even positions as odd ones
	span                    int   // rows of the copy that a row of the output needs
	whole                   bool  // there are no zeros
	channelStride           int   // in the copy
	imageStride             int
	pitch, half             []int   // in the copy, for each axis: from a position to the next, and to the odd ones if they are split
	pixels, taps            []int32 // offsets in the copy
}

// init derives the rest of w from its first fields.
func (w *window) init(batch int) error {
	w.nTaps, w.srcSize, w.outSize = 1, size(w.src), size(w.out)
	w.whole = true
	padded := float64(w.channels)
	span := make([]int, len(w.src))
	w.extent = make([]int, len(w.src))
	for a := range w.src {
		w.nTaps *= len(w.shift[a])
		for _, d := range w.shift[a] {
			span[a] = max(span[a], d+1)
		}
		if w.reach != nil {
			span[a] = w.reach[a]
		}
		w.extent[a] = (w.out[a]-1)*w.step[a] + span[a]
		start, end := w.within(a, 0, w.extent[a])
		w.whole = w.whole && start == 0 && end == w.extent[a]
		padded *= float64(w.extent[a])
	}
	if padded > math.MaxInt/16 {
		return errors.New("convolution: the padded input has too many elements")
	}
	w.span = span[0]
	w.copied = slices.Clone(w.extent)
	for a := range w.copied[1:] {
		w.copied[a+1] = w.extentOfCopy(a + 1)
	}
	w.cut(batch)
	w.measure()
	if w.channelStride > maxCopy/w.channels || w.imageStride > maxCopy/w.images {
		return errors.New("convolution: the padded input has too many elements")
	}
	return nil
}

// measure sets the sizes that follow from those of the chunks.
func (w *window) measure() {
	w.extent[0] = (w.rows-1)*w.step[0] + w.span
	w.copied[0] = w.extentOfCopy(0)
	w.channelStride = w.stride(w.rows)
	w.imageStride = w.channels * w.channelStride
	w.pitch, w.half = make([]int, len(w.src)), make([]int, len(w.src))
	n := 1
	for a := len(w.src) - 1; a >= 0; a-- {
		w.pitch[a] = n
		w.half[a] = w.copied[a] / 2
		if n *= w.copied[a]; w.flat && w.halves(a) {
			n /= 2
		}
	}
	if !w.flat {
		return
	}
	w.imageStride = n
	// Behind the last image are the zeros that others share with their next one.
	n = w.images*n + (w.extent[0]-w.copied[0]+1)*w.pitch[0]
	for a := range w.half {
		w.half[a] = n
		if w.halves(a) {
			n *= 2
		}
	}
	w.channelStride = oddLines(n)
}

// extentOfCopy returns the extent of the copy along an axis: as many even positions as odd ones
// if they are split, without the zeros that are shared.
func (w *window) extentOfCopy(a int) int {
	n := w.extent[a]
	switch {
	case w.halves(a):
		return gemm.RoundUp(n, 2)
	case w.flat && (a == len(w.src)-1 || a == 0 && w.bands == 1):
		start, end := w.within(a, 0, n)
		return n - min(start, n-end)
	}
	return n
}

// halves reports whether even and odd positions along an axis are split.
func (w *window) halves(a int) bool {
	return w.step[a] == 2 && (w.flat || w.split && a == len(w.src)-1)
}

// all makes all images one chunk.
func (w *window) all(batch int) {
	w.images, w.rows, w.bands = batch, w.out[0], 1
	w.extent, w.copied = slices.Clone(w.extent), slices.Clone(w.copied)
	w.measure()
}

// cut determines the size of the chunks.
func (w *window) cut(batch int) {
	pixels := max(fewPixels, min(chunkPixels/max(1, w.parts), max(1, w.groups)*batch*w.outSize/leastChunks))
	w.images, w.rows = 1, w.out[0]
	if w.outSize <= pixels && w.fits(w.out[0]) {
		w.images = min(pixels/w.outSize, chunkSize/(w.channels*w.stride(w.out[0])), max(batch, 1))
	} else {
		w.rows = min(w.rows, max(1, pixels/w.line()))
		for w.rows > 1 && !w.fits(w.rows) {
			w.rows = (w.rows + 1) / 2
		}
		w.rows = gemm.CeilDiv(w.out[0], gemm.CeilDiv(w.out[0], w.rows))
	}
	w.bands = gemm.CeilDiv(w.out[0], w.rows)
}

// tables fills pixels and taps after init has determined the sizes.
func (w *window) tables() {
	w.pixels = make([]int32, 0, w.images*w.rows*w.line())
	for i := range w.images {
		w.pixels = w.offsets(w.pixels, 0, i*w.imageStride, func(a, i int) int { return i * w.step[a] }, func(a int) int {
			if a == 0 {
				return w.rows
			}
			return w.out[a]
		})
	}
	w.taps = make([]int32, 0, w.channels*w.nTaps)
	for c := range w.channels {
		w.taps = w.offsets(w.taps, 0, c*w.channelStride, func(a, i int) int { return w.shift[a][i] }, func(a int) int { return len(w.shift[a]) })
	}
}

// at returns the offset in a padded channel of a position along axis a.
func (w *window) at(a, q int) int {
	if !w.halves(a) {
		return q * w.pitch[a]
	}
	return q%2*w.half[a] + q/2*w.pitch[a]
}

// stepOfCopy returns the number of positions in the copy from one output pixel to the next.
func (w *window) stepOfCopy(a int) int {
	if w.halves(a) {
		return 1
	}
	return w.step[a]
}

// offsets appends the offsets in a padded channel, row by row, of the positions
// at(a, 0) to at(a, n(a)-1) along each axis a.
func (w *window) offsets(list []int32, axis, start int, at func(a, i int) int, n func(a int) int) []int32 {
	if axis == len(w.copied) {
		return append(list, int32(start))
	}
	for i := range n(axis) {
		list = w.offsets(list, axis+1, start+w.at(axis, at(axis, i)), at, n)
	}
	return list
}

// splittable reports whether rows can be split, and are long enough for vectors.
func (w *window) splittable() bool {
	last := len(w.src) - 1
	return last > 0 && w.step[last] == 2 && w.out[last] >= maxLanes
}

// adjacent reports whether the pixels of a row are adjacent in the copy.
func (w *window) adjacent() bool { return w.split || w.step[len(w.step)-1] == 1 }

// line returns the number of output pixels of a row.
func (w *window) line() int { return w.outSize / w.out[0] }

// stride returns the distance between the channels of a padded copy for some rows of the
// output: an odd number of cache lines, which puts the same pixel of many channels into
// different sets of the cache.
func (w *window) stride(rows int) int {
	return oddLines(((rows-1)*w.step[0] + w.span) * size(w.copied[1:]))
}

// oddLines rounds n elements up to an odd number of cache lines.
func oddLines(n int) int { return gemm.RoundUp(n, 16) | 16 }

// fits reports whether some rows of one image are small enough for a chunk.
func (w *window) fits(rows int) bool { return w.stride(rows) <= chunkSize/w.channels }

// chunks returns the number of chunks of a batch.
func (w *window) chunks(batch int) int { return gemm.CeilDiv(batch, w.images) * w.bands }

// maxPixels returns the number of pixels of an image in the largest chunk.
func (w *window) maxPixels() int { return w.rows * w.line() }

// A chunk is a part of the output of a batch.
type chunk struct {
	image, images int
	row, rows     int
	pixels        int // of each image
	first         int // pixel of an image
}

// chunk returns chunk i of a batch.
func (w *window) chunk(batch, i int) chunk {
	c := chunk{image: i / w.bands * w.images, row: i % w.bands * w.rows}
	c.images = min(w.images, batch-c.image)
	c.rows = min(w.rows, w.out[0]-c.row)
	c.pixels, c.first = c.rows*w.line(), c.row*w.line()
	return c
}

// copySize returns the number of elements that fill needs in dst.
func (w *window) copySize() int {
	if w.flat {
		return w.channels*w.channelStride + w.spare()
	}
	return w.images * w.imageStride
}

// within returns the range of the positions first to first+n-1 of an axis, counted
// from first, that are within the source.
func (w *window) within(axis, first, n int) (start, end int) {
	start = min(max(w.pad[axis]-first, 0), n)
	return start, min(max(w.pad[axis]+w.src[axis]-first, start), n)
}
