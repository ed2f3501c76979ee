package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
)

const (
	// rowsBand is the approximate number of elements of the padded source of a band, which
	// stays in the L1 cache.
	rowsBand = 4096

	// rowsChunk is the approximate number of pixels of neighbouring planes of an image that a
	// part has: shorter runs take longer to come from memory.
	rowsChunk = 16 << 10

	// The least lengths of rows for kernels of 3x3 and 5x5. On a Zen 4, rows of 12 pixels lose a
	// tenth with 3x3, and gradients of 14 or of 24 with 5x5 gain nothing.
	rowsLeast3, rowsGradLeast3 = 13, 15
	rowsLeast5, rowsGradLeast5 = 16, 25

	// rowsParts is the number of parts from which on a part has several images.
	rowsParts = 64
)

// A rowsFunc convolves rows of a plane by a square kernel, in strips of vectors of pixels. For
// each strip s, the lanes l and the rows r from 0 on, with the step of the function,
//
//	y[at[s]+r*ldy+l] = bias + Σᵢⱼ w[i*kernel+j] * x[at[s]+(r*step+i)*ldx+cols[j]+l]
//
// summed in the order of the weights. Strips may overlap. Meanwhile it brings memory from next on,
// as much as there are elements of x, to the second cache.
type rowsFunc func(rows, strips int, at *int32, x *float32, ldx int, cols *int32, w, bias, y *float32, ldy int, next *float32)

// A rowsGradFunc adds the gradient of the weights of such a convolution to sums, vectors of partial
// sums of each weight:
//
//	sums[(i*kernel+j)*lanes+l] += Σ dy[at[s]+r*ldy+l] * x[at[s]+(r*step+i)*ldx+cols[j]+l]
//
// over the strips and rows. It takes the elements of dy whose mask, masks[s*lanes+l], is 0 as 0.
// Meanwhile it brings memory from next on, as a rowsFunc, and from nextDY on, as much as there are
// elements of dy.
type rowsGradFunc func(rows, strips int, at *int32, masks *uint32, x *float32, ldx int, cols *int32, dy *float32, ldy int, sums, next, nextDY *float32)

// A rowsPhasesFunc computes the gradient of the data of a kernel of 3x3 with strides of 2 and a padding
// of 1 for rows of x, the gradient of the output: twice as many rows of y. x and y are those of the
// last rows; x has one row more below, and a column more at the right, of which strips begin at[s]
// elements from the left. Meanwhile it brings memory from next on, as much as there are elements of
// x, to the second cache.
type rowsPhasesFunc func(rows, strips int, at *int32, x *float32, ldx int, w, y *float32, ldy int, next *float32)

// A splitRowsFunc takes the pairs of neighbouring elements of rows of src apart, at least eight in
// a row, as splitPairs.
type splitRowsFunc func(rows, pairs int, src *float32, lds int, even, odd *float32, ldd int)

// A streamFunc copies lines of 16 elements to dst, which is aligned to them, past the caches.
type streamFunc func(lines int, src, dst *float32)

// A rowKernel holds the functions for a size of kernels and a step.
type rowKernel struct {
	size, step int
	forward    rowsFunc
	grad       rowsGradFunc

	// least and leastGrad are the lengths of rows of the output from which on the functions are
	// faster than vectors of channels.
	least, leastGrad int
}

// rowKernels are those for vectors of so many lanes.
type rowKernels struct {
	lanes   int
	kernels []rowKernel
	phases  rowsPhasesFunc
	split   splitRowsFunc // nil if there is none
	stream  streamFunc    // the same
}

// planeRows cuts the planes of groups of one channel, with two spatial axes, into parts for vectors
// whose lanes are pixels of a row: some rows of some channels of some images.
type planeRows struct {
	*window
	geometry               *geometry
	phased                 bool             // of all phases of the gradient of the data
	inputMap               *norm.ChannelMap // of the source; nil for none
	level                  cpu.Level        // that the rest is for
	set                    *rowKernels      // nil: there is none for the rows
	kernel                 rowKernel
	images, channels, rows int      // of a part
	runs, cuts             int      // parts of the channels of an image, and of a plane
	band                   int      // rows that are computed at a time
	half, ld               int      // of a row of the padded source: even positions, if they are apart from odd ones, and all
	cols, at               []int32  // offsets of the columns of the kernel, and of the strips
	masks                  []uint32 // of the lanes of each strip that are not in the one before
	ends                   []int    // of the bands of a plane of the output
}

// fits reports whether there are functions for the rows, and if so cuts the planes.
func (t *planeRows) fits(w *window, g *geometry) bool {
	if !depthwise(g) || len(g.In) != 2 {
		return false
	}
	if level := cpu.Active(); t.window == nil || t.level != level {
		*t = planeRows{window: w, geometry: g, phased: t.phased, inputMap: t.inputMap, level: level}
		t.choose()
		if t.set != nil {
			t.cut()
			t.tables()
		}
	}
	return t.set != nil
}

// choose chooses the functions with the widest vectors that a row fills.
func (t *planeRows) choose() {
	size, step := len(t.shift[1]), t.step[1]
	if !t.phased && (len(t.shift[0]) != size || t.step[0] != step || !t.dense(0) || !t.dense(1)) {
		return
	}
	for _, set := range rowsOf[t.level] {
		if t.out[1] < set.lanes {
			continue
		}
		if t.phased {
			if t.out[1] >= rowsLeast3 {
				t.set, t.kernel.step = set, 1
			}
			return
		}
		i := slices.IndexFunc(set.kernels, func(k rowKernel) bool { return k.size == size && k.step == step && t.out[1] >= k.least })
		if i >= 0 && (size == 3 || t.fills(set)) {
			t.set, t.kernel = set, set.kernels[i]
			return
		}
	}
}

// fills reports whether rows fill two thirds of their vectors or more. On a Zen 4, gradients of the
// weights and kernels of 5x5 lose in rows of 17 to 21 pixels with 16 lanes.
func (t *planeRows) fills(set *rowKernels) bool {
	return 3*t.out[1] >= 2*gemm.RoundUp(t.out[1], set.lanes)
}

// fastGrad reports whether the gradient of the weights is faster by vectors of pixels, too.
func (t *planeRows) fastGrad() bool { return t.out[1] >= t.kernel.leastGrad && t.fills(t.set) }

// dense reports whether the displacements of the taps along an axis are 0, 1, 2 and so on, or
// those from the last one to 0.
func (t *planeRows) dense(axis int) bool {
	last := len(t.shift[axis]) - 1
	for i, d := range t.shift[axis] {
		if t.downwards() {
			i = last - i
		}
		if d != i {
			return false
		}
	}
	return true
}

// downwards reports whether the displacements decrease, as those of the gradient of the data do:
// then the rows are computed from the last one to the first.
func (t *planeRows) downwards() bool { return t.shift[0][0] > 0 }

// cut determines the parts.
func (t *planeRows) cut() {
	t.half = gemm.CeilDiv(t.extent[1], t.kernel.step)
	t.ld = t.half * t.kernel.step
	group, batch, height, width := t.geometry.Group, max(1, t.geometry.Batch), t.out[0], t.out[1]
	line := t.ld * t.kernel.step // elements of the source or, if those are more, of the result
	if t.phased {
		line *= 4
	}
	bands := gemm.CeilDiv(height, max(1, rowsBand/line))
	t.band = gemm.CeilDiv(height, bands)
	bands = gemm.CeilDiv(height, t.band)
	for i := range bands {
		t.ends = append(t.ends, min((i+1)*t.band, height)*width)
	}
	pixels := min(rowsChunk, batch*group*height*width/channelParts)
	t.runs = gemm.CeilDiv(group, max(1, pixels/(height*width)))
	t.channels = gemm.CeilDiv(group, t.runs)
	t.runs = gemm.CeilDiv(group, t.channels)
	t.cuts = min(bands, gemm.CeilDiv(channelParts, batch*t.runs))
	t.rows = gemm.CeilDiv(bands, t.cuts) * t.band
	t.cuts = gemm.CeilDiv(height, t.rows)
	t.images = max(1, batch*t.runs*t.cuts/rowsParts)
}

// tables fills the tables.
func (t *planeRows) tables() {
	lanes, width, last := t.set.lanes, t.out[1], 0
	for _, d := range t.shift[1] {
		t.cols = append(t.cols, int32(d%t.kernel.step*t.half+d/t.kernel.step))
	}
	for i := 0; i < width; i += lanes {
		at := min(i, width-lanes)
		t.at = append(t.at, int32(at))
		for lane := range lanes {
			mask := ^uint32(0)
			if at+lane < last {
				mask = 0
			}
			t.masks = append(t.masks, mask)
		}
		last = at + lanes
	}
}

// A rowPart is a part of the work.
type rowPart struct {
	image, images int
	ch, channels  int
	row, rows     int
}

// parts returns the number of parts.
func (t *planeRows) parts() int { return gemm.CeilDiv(t.geometry.Batch, t.images) * t.runs * t.cuts }

// part returns part i.
func (t *planeRows) part(i int) rowPart {
	p := rowPart{row: i % t.cuts * t.rows}
	i /= t.cuts
	p.ch, p.image = i%t.runs*t.channels, i/t.runs*t.images
	p.images = min(t.images, t.geometry.Batch-p.image)
	p.channels = min(t.channels, t.geometry.Group-p.ch)
	p.rows = min(t.rows, t.out[0]-p.row)
	return p
}

// A rowBand is some rows of a channel of an image.
type rowBand struct {
	ch, plane int
	row, rows int
}

// first returns the first band of a part.
func (t *planeRows) first(p rowPart) rowBand {
	return rowBand{p.ch, p.image*t.geometry.Group + p.ch, p.row, min(t.band, p.rows)}
}

// after returns the band of a part that follows b, or one without rows after the last one.
func (t *planeRows) after(p rowPart, b rowBand) rowBand {
	if b.row += b.rows; b.row == p.row+p.rows {
		b.row = p.row
		b.plane++
		if b.ch++; b.ch == p.ch+p.channels {
			b.ch = p.ch
			b.plane += t.geometry.Group - p.channels
			if b.plane >= (p.image+p.images)*t.geometry.Group {
				return rowBand{}
			}
		}
	}
	b.rows = min(t.band, p.row+p.rows-b.row)
	return b
}

// sourceAt returns the element of the source with which a band begins.
func (t *planeRows) sourceAt(b rowBand) int {
	return b.plane*t.srcSize + min(max(0, b.row*t.kernel.step-t.pad[0]), t.window.src[0]-1)*t.window.src[1]
}

// loaded returns the number of rows of the source that some rows of the output need.
func (t *planeRows) loaded(rows int) int { return (rows-1)*t.kernel.step + t.span }

// copied returns the number of elements of the padded source of a band.
func (t *planeRows) copied() int { return t.loaded(t.band) * t.ld }

// mapped returns the number of elements that load needs besides.
func (t *planeRows) mapped() int { return min(t.window.src[0], t.loaded(t.band)) * t.window.src[1] }

// load copies the source of a band to x, which has zeros around it, and maps it.
func (t *planeRows) load(u *gemm.Micro, b rowBand, src, mapped, x []float32) {
	first, end := t.within(0, b.row*t.kernel.step, t.loaded(b.rows))
	left, right := t.within(1, 0, t.extent[1])
	if len(t.ends) > 1 { // there are rows of other bands
		clear(x[:first*t.ld])
		clear(x[end*t.ld:])
	}
	if first >= end || left >= right {
		return
	}
	width := t.window.src[1]
	at := b.plane*t.srcSize + (b.row*t.kernel.step+first-t.pad[0])*width
	from, n := src[at:][:(end-first)*width], right-left
	if t.inputMap != nil {
		t.inputMap.Apply(b.ch, from, mapped)
		from = mapped[:len(from)]
	}
	from, x = from[left-t.pad[1]:], x[first*t.ld:]
	if t.kernel.step == 1 {
		u.CopyTo(end-first, n, from, width, x[left:], t.ld)
		return
	}
	even, odd := x[left/2:], x[t.half+left/2:]
	if left%2 == 1 {
		even, odd = odd, x[left/2+1:]
	}
	t.split(end-first, n, from, width, even, odd)
}

// split takes the pairs of rows of n elements apart.
func (t *planeRows) split(rows, n int, src []float32, lds int, even, odd []float32) {
	pairs := n / 2
	if t.set.split == nil || pairs < pairLanes {
		for r := range rows {
			splitPairs(src[r*lds:][:n], even[r*t.ld:], odd[r*t.ld:])
		}
		return
	}
	_, _, _ = src[(rows-1)*lds+n-1], even[(rows-1)*t.ld+n-pairs-1], odd[(rows-1)*t.ld+pairs-1]
	t.set.split(rows, pairs, &src[0], lds, &even[0], &odd[0], t.ld)
	for r := range rows * (n % 2) {
		even[r*t.ld+pairs] = src[r*lds+n-1]
	}
}

// convolve computes rows of the output.
func (t *planeRows) convolve(rows int, x, w []float32, bias *float32, y []float32, next *float32) {
	width := t.out[1]
	if t.downwards() {
		t.kernel.forward(rows, len(t.at), &t.at[0], &x[(t.loaded(rows)-1)*t.ld], -t.ld, &t.cols[0], &w[0], bias, &y[(rows-1)*width], -width, next)
	} else {
		t.kernel.forward(rows, len(t.at), &t.at[0], &x[0], t.ld, &t.cols[0], &w[0], bias, &y[0], width, next)
	}
}

// sum adds the gradient of the weights of rows of the output, dy, to sums.
func (t *planeRows) sum(rows int, x, dy, sums []float32, next, nextDY *float32) {
	width := t.out[1]
	if t.downwards() {
		t.kernel.grad(rows, len(t.at), &t.at[0], &t.masks[0], &x[(t.loaded(rows)-1)*t.ld], -t.ld, &t.cols[0], &dy[(rows-1)*width], -width, &sums[0], next, nextDY)
	} else {
		t.kernel.grad(rows, len(t.at), &t.at[0], &t.masks[0], &x[0], t.ld, &t.cols[0], &dy[0], width, &sums[0], next, nextDY)
	}
}
