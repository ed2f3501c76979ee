package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// densePiece is some pixels of a plane or, if the planes of all images are cut together, of
// those of a group, one after the other.
type densePiece struct {
	axis     int // the number of the plane, or of the group
	from, to int
}

// joinWaste is the number of pixels of a plane for which one lane of its last vector may be
// empty. Planes with more empty lanes are cut together.
const joinWaste = 32

// cut cuts the pixels into pieces of about the given width.
func (t *dense) cut(width int) {
	t.images = 1
	if waste := gemm.RoundUp(t.outSize, t.micro.Lanes) - t.outSize; t.outSize < width/2 || joinWaste*waste > t.outSize {
		t.images = t.geometry.Batch
	}
	t.pieces = gemm.CeilDiv(t.images*t.outSize, width)
}

// share cuts the pieces smaller if there are few of them, so that their number is a multiple of
// parts and threads share them evenly, and returns it.
func (t *dense) share(parts int) int {
	n := t.count()
	if n < 4*parts {
		planes := n / t.pieces
		panels := gemm.CeilDiv(t.images*t.outSize, t.micro.BlockPanel())
		t.pieces = min(panels, gemm.CeilDiv(gemm.RoundUp(n, parts), planes))
	}
	return t.count()
}

// count returns the number of all pieces.
func (t *dense) count() int { return t.geometry.Batch * t.geometry.Group / t.images * t.pieces }

// piece returns a piece. All pieces of a plane, or of planes that are cut together, are whole
// panels, except the last.
func (t *dense) piece(i int) densePiece {
	panel, pixels := t.micro.BlockPanel(), t.images*t.outSize
	panels := gemm.CeilDiv(pixels, panel)
	axis, i := i/t.pieces, i%t.pieces
	return densePiece{axis, i * panels / t.pieces * panel, min(pixels, (i+1)*panels/t.pieces*panel)}
}

// place returns the number of the plane that pixel q is in, among those of all images and
// groups, its place in the plane, and the number of pixels up to the end of the plane or of
// the piece.
func (t *dense) place(p densePiece, q int) (plane, pixel, n int) {
	if t.images == 1 {
		return p.axis, q, p.to - q
	}
	image, pixel := q/t.outSize, q%t.outSize
	return image*t.geometry.Group + p.axis, pixel, min(p.to-q, t.outSize-pixel)
}

// strided returns the element of the larger plane, with a stride, that belongs to a pixel, the
// number of pixels from there on to the end of the row, and the element where the next row
// begins.
func (t *dense) strided(pixel int) (at, n, next int) {
	last := len(t.geometry.out) - 1
	line := t.geometry.out[last]
	row, i := pixel/line, pixel%line
	next = t.geometry.inSize
	if row+1 < len(t.rowAt) {
		next = t.rowAt[row+1]
	}
	return t.rowAt[row] + i*t.geometry.Stride[last], line - i, next
}

// packPixels packs the channels first to end-1 of a piece into panels, each of which has room
// for the given number of channels from base on.
func (t *dense) packPixels(p densePiece, base, channels, first, end int, dst, row []float32) {
	if t.rowAt != nil && !t.spread {
		t.packStrided(p, base, channels, first, end, dst, row)
		return
	}
	panel := t.micro.BlockPanel()
	for k := first; k < end; k += denseRows {
		rows := min(denseRows, end-k)
		for q := p.from; q < p.to; q += panel {
			cols := min(panel, p.to-q)
			w := gemm.RoundUp(cols, t.micro.Lanes)
			d := dst[(q-p.from)*channels+(k-base)*w:][:rows*w]
			if cols < w {
				clear(d)
			}
			for i := 0; i < cols; {
				plane, pixel, n := t.place(p, q+i)
				n = min(n, cols-i)
				t.micro.CopyTo(rows, n, t.src[(plane*t.channels+k)*t.srcSize+pixel:], t.srcSize, d[i:], w)
				i += n
			}
		}
	}
}

// rowSize is the number of elements that packStrided needs for the pixels of a channel.
func (t *dense) rowSize(p densePiece) int {
	if t.rowAt == nil || t.spread {
		return 0
	}
	return 2 * (p.to - p.from + pairLanes)
}

// packStrided is packPixels for pixels that a stride separates. It takes those of one channel
// after the other to row.
func (t *dense) packStrided(p densePiece, base, channels, first, end int, dst, row []float32) {
	width := p.to - p.from
	row, rest := row[:width+pairLanes], row[width+pairLanes:]
	panel := t.micro.BlockPanel()
	whole, cols := width/panel, width%panel
	w := gemm.RoundUp(cols, t.micro.Lanes)
	for k := first; k < end; k++ {
		for q := p.from; q < p.to; {
			plane, pixel, n := t.place(p, q)
			t.gather(t.src[(plane*t.channels+k)*t.srcSize:], pixel, n, row[q-p.from:], rest)
			q += n
		}
		if whole > 0 {
			t.micro.CopyTo(whole, panel, row, panel, dst[(k-base)*panel:], panel*channels)
		}
		if cols > 0 {
			d := dst[whole*panel*channels+(k-base)*w:][:w]
			clear(d[copy(d, row[whole*panel:width]):])
		}
	}
}

// gather sets dst to n pixels of a channel that a stride separates, from pixel on. It may
// overwrite rest, and up to a vector of dst behind them.
func (t *dense) gather(x []float32, pixel, n int, dst, rest []float32) {
	step := t.geometry.Stride[len(t.out)-1]
	for i := 0; i < n; {
		at, line, _ := t.strided(pixel + i)
		line = min(line, n-i)
		takeSteps(x[at:], step, line, dst[i:], rest)
		i += line
	}
}

// denseAhead lists the lines of memory of the pixels that are packed next: those of some
// channels of a piece. BlockFuncs bring each line of depth channels into the cache.
type denseAhead struct {
	*dense
	densePiece
	channel, end int
	depth        int
	skip         int // the pixels before the next one
}

// line returns the next line of a channel and its distance to that of the next channel. If no line
// is left, it returns otherwise, which should be in the cache.
func (t *denseAhead) line(otherwise *float32) (next *float32, step int) {
	if t.channel >= t.end || t.from == t.to {
		return otherwise, gemm.LineSize
	}
	plane, pixel, n := t.place(t.densePiece, t.from+t.skip)
	pixels := gemm.LineSize
	if t.rowAt != nil && !t.spread {
		at, line, _ := t.strided(pixel)
		pixel, n, pixels = at, min(n, line), max(1, pixels/t.geometry.Stride[len(t.out)-1])
	}
	// n adjacent pixels begin anywhere in a line, so the last one may be in a further line.
	if n > 1 {
		n = min(pixels, n-1)
	}
	next = &t.src[(plane*t.channels+t.channel)*t.srcSize+pixel]
	if t.skip += n; t.from+t.skip == t.to {
		t.skip = 0
		t.channel += t.depth
	}
	return next, t.srcSize
}
