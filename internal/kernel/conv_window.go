package kernel

import (
	"errors"
	"math"
)

const (
	// convPixels and convFloats bound a chunk, so that its padded copy, the
	// sums of its pixels and a piece of a panel fit the L2 cache together.
	convPixels = 1024
	convFloats = 128 << 10

	// convTasks is how many chunks there should be at least, for many threads,
	// unless they get smaller than convFewPixels.
	convTasks     = 16
	convFewPixels = 8 * tileRows

	// convLimit bounds the copy of a chunk of a single row, and what the
	// offsets in it may be.
	convLimit = 1 << 28
)

// A window moves over a source of several channels: output pixel (q₀, q₁, ...)
// and tap (t₀, t₁, ...) meet at position qₐ*step[a] + disp[a][tₐ] - lo[a] of
// axis a; outside of the source there are zeros.
//
// A window works on chunks: some images, or some rows (along the first axis)
// of one. fill copies a chunk's source with its zeros; in the copy, pixel q and
// tap t of channel c meet at pix[q] + off[c*taps+t].
type window struct {
	channels int
	src      []int   // extent of the source
	lo       []int   // zeros before the source; negative: that much is skipped
	step     []int   // from one output pixel to the next
	disp     [][]int // displacements of the taps, from 0 up
	out      []int   // extent of the output

	taps, srcSize, outSize int
	images, rows, bands    int   // chunk: images, or rows of one; bands: chunks of an image
	ext                    []int // extent of the padded copy
	span                   int   // rows of the copy that a row of the output needs
	whole                  bool  // there are no zeros
	channelStride          int   // in the copy
	imageStride            int
	pix, off               []int32
}

// init derives the rest of w from its first fields.
func (w *window) init(batch int) error {
	w.taps, w.srcSize, w.outSize = 1, size(w.src), size(w.out)
	w.whole = true
	padded := float64(w.channels)
	span := make([]int, len(w.src))
	w.ext = make([]int, len(w.src))
	for a := range w.src {
		w.taps *= len(w.disp[a])
		for _, d := range w.disp[a] {
			span[a] = max(span[a], d+1)
		}
		w.ext[a] = (w.out[a]-1)*w.step[a] + span[a]
		start, end := w.within(a, 0, w.ext[a])
		w.whole = w.whole && start == 0 && end == w.ext[a]
		padded *= float64(w.ext[a])
	}
	if padded > math.MaxInt/16 {
		return errors.New("convolution: the padded input has too many elements")
	}
	w.span = span[0]

	line := w.outSize / w.out[0] // output pixels of a row
	pixels := min(convPixels, max(convFewPixels, batch*w.outSize/convTasks))
	w.images, w.rows = 1, w.out[0]
	if w.outSize <= pixels && w.fit(w.out[0]) {
		w.images = min(pixels/w.outSize, convFloats/(w.channels*w.stride(w.out[0])), max(batch, 1))
	} else {
		w.rows = min(w.rows, max(1, pixels/line))
		for w.rows > 1 && !w.fit(w.rows) {
			w.rows = (w.rows + 1) / 2
		}
		w.rows = ceilDiv(w.out[0], ceilDiv(w.out[0], w.rows))
	}
	w.bands = ceilDiv(w.out[0], w.rows)
	w.ext[0] = (w.rows-1)*w.step[0] + w.span
	w.channelStride = w.stride(w.rows)
	w.imageStride = w.channels * w.channelStride
	if w.channelStride > convLimit/w.channels || w.imageStride > convLimit/w.images {
		return errors.New("convolution: the padded input has too many elements")
	}

	// Behind pix and off are places that partial tiles may read.
	w.pix = make([]int32, 0, w.images*w.rows*line+tileRows)
	for i := range w.images {
		w.pix = w.places(w.pix, 0, i*w.imageStride, func(a, i int) int { return i * w.step[a] }, func(a int) int {
			if a == 0 {
				return w.rows
			}
			return w.out[a]
		})
	}
	w.pix = append(w.pix, make([]int32, tileRows)...)
	w.off = make([]int32, 0, w.channels*w.taps+tileRows)
	for c := range w.channels {
		w.off = w.places(w.off, 0, c*w.channelStride, func(a, i int) int { return w.disp[a][i] }, func(a int) int { return len(w.disp[a]) })
	}
	w.off = append(w.off, make([]int32, tileRows)...)
	return nil
}

// places appends the places in a padded channel, row by row, of the positions
// at(a, 0) to at(a, n(a)-1) along each axis a.
func (w *window) places(list []int32, axis, start int, at func(a, i int) int, n func(a int) int) []int32 {
	if axis == len(w.ext) {
		return append(list, int32(start))
	}
	step := size(w.ext[axis+1:])
	for i := range n(axis) {
		list = w.places(list, axis+1, start+at(axis, i)*step, at, n)
	}
	return list
}

func size(s []int) int {
	n := 1
	for _, v := range s {
		n *= v
	}
	return n
}

// stride returns the distance of the channels of a padded copy for some rows
// of the output: an odd number of cache lines, so that the same pixel of many
// channels does not fall into the same set of the cache.
func (w *window) stride(rows int) int {
	n := ((rows-1)*w.step[0] + w.span) * size(w.ext[1:])
	return (n+15)/16*16 | 16
}

// fit reports whether one image of some rows is small enough for a chunk.
func (w *window) fit(rows int) bool {
	return w.stride(rows) <= convFloats/w.channels
}

// chunks returns the number of chunks of a batch.
func (w *window) chunks(batch int) int { return ceilDiv(batch, w.images) * w.bands }

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
	line := w.outSize / w.out[0]
	c.pixels, c.first = c.rows*line, c.row*line
	return c
}

// bufferSize returns the number of elements that fill needs in dst.
func (w *window) bufferSize() int { return w.images * w.imageStride }

// fill copies the source of a chunk of which the images are step apart in x,
// and x starts with the first of the channels to copy.
func (w *window) fill(u *micro, c chunk, channels int, x []float32, step int, dst []float32) {
	first, n := c.row*w.step[0], (c.rows-1)*w.step[0]+w.span
	for i := range c.images {
		to := dst[i*w.imageStride:][:channels*w.channelStride]
		if !w.whole {
			clear(to)
		}
		for ch := range channels {
			src := x[(c.image+i)*step+ch*w.srcSize:][:w.srcSize]
			w.fillAxis(u, 0, first, n, src, to[ch*w.channelStride:][:w.channelStride])
		}
	}
}

// fillAxis copies what there is at positions first to first+n-1 of an axis and
// at all positions of those after it. Positions count from the first zero
// before the source.
func (w *window) fillAxis(u *micro, axis, first, n int, src, dst []float32) {
	start, end := w.within(axis, first, n)
	if start >= end {
		return
	}
	from := first + start - w.lo[axis]
	switch len(w.src) - axis {
	case 1:
		copy(dst[start:end], src[from:])
	case 2:
		first, last := w.within(axis+1, 0, w.ext[axis+1])
		if first < last {
			lds, ldd := w.src[axis+1], w.ext[axis+1]
			u.copyTo(end-start, last-first, src[from*lds+first-w.lo[axis+1]:], lds, dst[start*ldd+first:], ldd)
		}
	default:
		line, srcLine := size(w.ext[axis+1:]), size(w.src[axis+1:])
		for q := range end - start {
			w.fillAxis(u, axis+1, 0, w.ext[axis+1], src[(from+q)*srcLine:], dst[(start+q)*line:])
		}
	}
}

// within returns which of the positions first to first+n-1 of an axis, counted
// from first, are within the source.
func (w *window) within(axis, first, n int) (start, end int) {
	start = min(max(w.lo[axis]-first, 0), n)
	return start, min(max(w.lo[axis]+w.src[axis]-first, start), n)
}
