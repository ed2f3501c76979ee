package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// spare returns the number of elements that a flat copy needs to split rows.
func (w *window) spare() int {
	last := len(w.src) - 1
	if last == 0 || !w.halves(last) {
		return 0
	}
	return min(w.extent[last-1], w.src[last-1]) * w.src[last]
}

// fill copies the source of a chunk. Its images are step apart in x, which starts with
// the first of the channels to copy.
func (w *window) fill(u *gemm.Micro, c chunk, channels int, x []float32, step int, dst []float32) {
	w.fillChannels(u, c, 0, channels, x, step, dst)
}

// fillChannels is fill for n of the channels from from on.
func (w *window) fillChannels(u *gemm.Micro, c chunk, from, n int, x []float32, step int, dst []float32) {
	first, rows := c.row*w.step[0], (c.rows-1)*w.step[0]+w.span
	var spare []float32
	if w.flat {
		clear(dst[from*w.channelStride : (from+n)*w.channelStride])
		spare = dst[w.channels*w.channelStride:]
	}
	for i := range c.images {
		to := dst[i*w.imageStride:]
		if !w.whole && !w.flat {
			clear(to[from*w.channelStride : (from+n)*w.channelStride])
		}
		for ch := from; ch < from+n; ch++ {
			src := x[(c.image+i)*step+ch*w.srcSize:][:w.srcSize]
			w.fillAxis(u, 0, first, rows, src, to[ch*w.channelStride:], spare)
		}
	}
}

// fillAxis copies the source at positions first to first+n-1 of an axis and at all
// positions of the following axes. Positions count from the first zero before the
// source. spare is used meanwhile.
func (w *window) fillAxis(u *gemm.Micro, axis, first, n int, src, dst, spare []float32) {
	start, end := w.within(axis, first, n)
	if start >= end {
		return
	}
	from := first + start - w.pad[axis]
	switch len(w.src) - axis {
	case 1:
		w.fillRow(start, src[from:][:end-start], dst)
	case 2:
		first, last := w.within(axis+1, 0, w.extent[axis+1])
		if first >= last {
			return
		}
		lds := w.src[axis+1]
		src = src[from*lds+first-w.pad[axis+1]:]
		switch {
		case !w.halves(axis) && !w.halves(axis+1):
			u.CopyTo(end-start, last-first, src, lds, dst[w.at(axis, start)+first:], w.pitch[axis])
			return
		case w.flat && w.halves(axis) && w.halves(axis+1):
			w.splitRows(u, axis, [2]int{start, first}, [2]int{end - start, last - first}, src, dst, spare)
			return
		}
		for r := range end - start {
			w.fillRow(first, src[r*lds:][:last-first], dst[w.at(axis, start+r):])
		}
	default:
		srcLine := size(w.src[axis+1:])
		for q := range end - start {
			w.fillAxis(u, axis+1, 0, w.extent[axis+1], src[(from+q)*srcLine:], dst[w.at(axis, start+q):], spare)
		}
	}
}

// splitRows copies n[0] rows of n[1] elements, whose first element is at the given positions of an
// axis and of the last one. It splits all rows, with what is between them, in one piece, and then
// copies the parts of every second row.
func (w *window) splitRows(u *gemm.Micro, axis int, first, n [2]int, src, dst, spare []float32) {
	width := w.src[axis+1]
	size := (n[0]-1)*width + n[1]
	odd := (size + 1) / 2
	splitPairs(src[:size], spare[:odd], spare[odd:size])
	for r := range min(2, n[0]) {
		for c := range min(2, n[1]) {
			from := (r*width + c) / 2
			if (r*width+c)%2 > 0 {
				from += odd
			}
			u.CopyTo((n[0]-r+1)/2, (n[1]-c+1)/2, spare[from:], width, dst[w.at(axis, first[0]+r)+w.at(axis+1, first[1]+c):], w.pitch[axis])
		}
	}
}

// fillRow copies a row whose first element is at the given position.
func (w *window) fillRow(first int, src, dst []float32) {
	last := len(w.src) - 1
	if !w.halves(last) {
		copy(dst[first:], src)
		return
	}
	even, odd := dst, dst[w.half[last]:]
	if first%2 == 1 {
		even, odd = odd[first/2:], even[first/2+1:]
	} else {
		even, odd = even[first/2:], odd[first/2:]
	}
	splitPairs(src, even, odd)
}

// length returns the number of elements of the copy, of a channel, from the first to the last pixel
// of a chunk, in whole vectors. From the last tap on, the last vector may reach up to maxLanes
// elements beyond a flat copy.
func (w *window) length() int { return gemm.RoundUp(int(w.pixels[len(w.pixels)-1])+1, maxLanes) }

// spreadLine copies the pixels of a channel of an image of a chunk to where they are in the flat
// copy, and joinLine copies them back.
func (w *window) spreadLine(u *gemm.Micro, c chunk, pixels, line []float32) {
	rows, width, pitch := w.runs(c)
	for q := 0; q < c.pixels; q += rows * width {
		u.CopyTo(rows, width, pixels[q:], width, line[w.pixels[q]:], pitch)
	}
}

func (w *window) joinLine(u *gemm.Micro, c chunk, line, pixels []float32) {
	rows, width, pitch := w.runs(c)
	for q := 0; q < c.pixels; q += rows * width {
		u.CopyTo(rows, width, line[w.pixels[q]:], pitch, pixels[q:], width)
	}
}

// runs returns the rows of a chunk that are equally far apart in the copy, the pixels of each
// and the distance.
func (w *window) runs(c chunk) (rows, width, pitch int) {
	last := len(w.out) - 1
	if last == 0 {
		return 1, c.pixels, 0
	}
	rows, width = c.rows, w.out[last]
	if last > 1 {
		rows = w.out[last-1]
	}
	return rows, width, w.pitch[last-1] * w.stepOfCopy(last-1)
}
