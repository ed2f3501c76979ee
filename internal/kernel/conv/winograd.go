package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// filterChannels is the number of channels of the weights that a part transforms.
const filterChannels = 16

// winogradProduct is the forward pass, or the gradient of the data, by Winograd's
// algorithm.
//
// A part computes a block, from the transform of its input to its output. The matrix
// products of tiles and weights run one after the other and overwrite tiles that are no
// longer needed.
type winogradProduct struct {
	*tiling
	backward bool            // the weights are (channels,outputs,r,r), to be rotated by 180°
	inputMap *norm.VectorMap // of x; nil for none
	kept     *keptWeights    // nil for none

	// Used during a run.
	micro              *gemm.Micro
	transforms         *transforms
	transposeOut       gemm.TransposeFunc
	pool               *parallel.Pool
	packing            bool
	panels, width      int // of a group, and columns of them all
	depth              int // channels, in whole vectors
	slot               int // from one of the matrices of a block to the next
	matrixSize         int // from one of the matrices of the weights to the next
	rowAt, colAt       []int32
	packed, packedBias []float32
	x, weight, bias, y []float32
	fewTiles           *fewTiles // kept from run to run
	then               epilogue
}

// run computes y from x, and then an epilogue. A nil bias stands for zeros.
func (w *winogradProduct) run(op parallel.Op, x, weight, bias, y []float32, then epilogue) {
	w.set(op, x, weight, bias, y, then)
	defer w.unset()
	if w.few() {
		if w.fewTiles == nil {
			w.fewTiles = new(fewTiles)
		}
		w.fewTiles.run(op, w)
		return
	}
	w.packAll(op.Workspace(w.layOut()))
	w.pool.Run(w.groups*w.blocks(), w)
}

// set sets what is used during a run.
func (w *winogradProduct) set(op parallel.Op, x, weight, bias, y []float32, then epilogue) {
	u := gemm.Active()
	w.micro, w.transforms, w.pool = u, w.algorithm.transforms(), op.Pool()
	w.x, w.weight, w.bias, w.y, w.then = x, weight, bias, y, then
	if !w.few() {
		w.share(w.pool.Threads())
	}
	w.tables(u.Lanes)
	w.panels = gemm.CeilDiv(w.outputs, u.Panel())
	w.width = (w.panels-1)*u.Panel() + u.Width(w.outputs-(w.panels-1)*u.Panel())
	w.depth = gemm.RoundUp(w.channels, u.Lanes)
}

// layOut lays out the matrices of a block, and returns the number of elements of the weights
// that packAll transforms.
func (w *winogradProduct) layOut() int {
	rows := w.maxTiles()
	w.rowAt = multiples(w.rowAt, rows, w.depth)
	w.colAt = multiples(w.colAt, w.channels, 1)
	w.slot = apart(rows * max(w.depth, w.width))
	w.matrixSize = apart(w.channels * w.width)
	return w.groups * (w.width + w.matrices()*w.matrixSize)
}

// packAll transforms the weights, which all parts share.
func (w *winogradProduct) packAll(shared []float32) {
	w.packedBias, w.packed = shared[:w.groups*w.width], shared[w.groups*w.width:]
	w.transposeOut = w.micro.Transpose
	if w.streams() {
		w.transposeOut = w.micro.Stream
	}
	w.packing = true
	w.pool.Run(w.groups*w.panels*w.pieces(), w)
	w.packing = false
}

// apart returns the distance of matrices of n elements: one line of memory more than a multiple
// of eight, so that they start in different sets of the cache. At 85 lines the elements that a
// transform writes seem to displace each other on a Zen 4.
func apart(n int) int { return gemm.RoundUp(n, 8*gemm.LineSize) + gemm.LineSize }

// unset clears what is used during a run.
func (w *winogradProduct) unset() {
	w.pool, w.x, w.weight, w.bias, w.y, w.then, w.packed, w.packedBias = nil, nil, nil, nil, nil, epilogue{}, nil, nil
}

// streams reports whether the output is written past the caches.
func (w *winogradProduct) streams() bool {
	if w.micro.Stream == nil || w.then.Epilogue != nil || !streams(w.y, w.dst[0]*w.dst[1]) {
		return false
	}
	for _, b := range w.band {
		if b.dst%16 != 0 {
			return false
		}
	}
	return true
}

// Do packs or computes part i.
func (w *winogradProduct) Do(worker, i int) {
	if w.packing {
		n := w.pieces()
		w.pack(worker, i/(w.panels*n), i/n%w.panels, i%n)
		return
	}
	w.compute(worker, i%w.groups, i/w.groups)
}

// pieces returns the number of pieces of the channels of a panel of weights.
func (w *winogradProduct) pieces() int { return gemm.CeilDiv(w.channels, filterChannels) }

// panel returns the first output, the number of outputs and the width of a panel.
func (w *winogradProduct) panel(i int) (j, n, width int) {
	j = i * w.micro.Panel()
	n = min(w.micro.Panel(), w.outputs-j)
	return j, n, w.micro.Width(n)
}

// pack transforms the weights of a piece of the channels of a panel to matrices
// of a row for each channel and a column for each output.
func (w *winogradProduct) pack(worker, group, panel, piece int) {
	j, n, width := w.panel(panel)
	first := piece * filterChannels
	if piece == 0 {
		w.packBias(group, j, n, w.packedBias[group*w.width+j:][:width])
	}
	w.packFilters(group, j, n, width, first, min(filterChannels, w.channels-first), w.pool.Scratch(worker, w.filterSize(filterChannels, width)),
		w.matrix(group, panel, 0)[first*width:], w.matrixSize)
}

// packBias copies the biases of n outputs from j on to dst, and zeros after them.
func (w *winogradProduct) packBias(group, j, n int, dst []float32) {
	clear(dst)
	if w.bias != nil {
		copy(dst, w.bias[group*w.outputs+j:][:n])
	}
}

// filterSize returns the number of elements that packFilters needs.
func (w *winogradProduct) filterSize(channels, width int) int {
	return channels*w.r*w.r*width + tmpSize
}

// packFilters transforms the weights of some channels from first on, and of n outputs from j
// on, to matrices in dst, a step apart, of a row for each channel and a column for each
// of the outputs, and of those that fill the width.
func (w *winogradProduct) packFilters(group, j, n, width, first, channels int, buf, dst []float32, step int) {
	taps := w.r * w.r
	tmp, rows := buf[:tmpSize], buf[tmpSize:][:channels*taps*width]
	if n < width || w.joined > 1 {
		clear(rows)
	}
	firstTap, nextTap := 0, width // where the first tap of a channel is, and the distance to the next
	if w.backward {
		firstTap, nextTap = (taps-1)*width, -width
	}
	if w.joined > 1 {
		for c := range channels {
			w.turnFilters(group, first+c, j, n, rows[c*taps*width:], width)
		}
	} else if w.backward {
		for c := range channels {
			w.micro.TransposeTo(n, taps, w.weight[((group*w.channels+first+c)*w.outputs+j)*taps:], taps, rows[c*taps*width:], width)
		}
	} else {
		depth, next := w.channels*taps, channels*taps
		if first+channels == w.channels {
			next = n*depth - first*taps // of the outputs that follow
		}
		w.micro.TransposeAhead(n, channels*taps, w.weight[(group*w.outputs+j)*depth+first*taps:], depth, rows, width, next)
	}
	for c := range channels {
		w.transforms.filter(width/w.micro.Lanes, &rows[c*taps*width+firstTap], nextTap, &dst[c*width], step, &tmp[0])
	}
}

// turnFilters writes the weights of a channel of joined groups, and of those of n outputs from j
// on that are of its group, to rows of the given width: one for each tap.
func (w *winogradProduct) turnFilters(group, channel, j, n int, rows []float32, width int) {
	taps := w.r * w.r
	first, last, ch := w.ofGroup(channel, j, j+n)
	if first >= last {
		return
	}
	channels, outputs := w.channels/w.joined, w.outputs/w.joined
	at, step := ((group*w.outputs+first)*channels+ch)*taps, channels*taps
	if w.backward {
		at, step = ((group*w.channels+channel)*outputs+first%outputs)*taps, taps
	}
	w.micro.TransposeTo(last-first, taps, w.weight[at:], step, rows[first-j:], width)
}

// matrix returns matrix number xi of a panel of weights.
func (w *winogradProduct) matrix(group, panel, xi int) []float32 {
	return w.packed[(group*w.matrices()+xi)*w.matrixSize+panel*w.micro.Panel()*w.channels:]
}

// compute computes a block of the result for the outputs of a group.
func (w *winogradProduct) compute(worker, group, block int) {
	u := w.micro
	lanes := u.Lanes
	b := &w.band[block%w.bands]
	image := block / w.bands * w.images
	images := min(w.images, w.batch-image)
	counts := b.counts.times(images)
	matrices := w.matrices()

	plane := (w.maxPixels() + 1) * lanes
	buf := w.pool.Scratch(worker, tmpSize+plane+(matrices+1)*w.slot)
	tmp, pixels, slots := buf[:tmpSize], buf[tmpSize:][:plane], buf[tmpSize+plane:]

	// Transformed tiles are rows of matrices. Matrix xi is in slot xi+1.
	for i := range images {
		for c := 0; c < w.channels; c += lanes {
			src := w.x[(((image+i)*w.groups+group)*w.channels+c)*w.src[0]*w.src[1]+b.src:]
			interleave(u, min(lanes, w.channels-c), b.srcPixels, src, w.src[0]*w.src[1], pixels)
			w.inputMap.Apply(group, c, pixels[:b.srcPixels*lanes])
			for class, n := range b.counts {
				if n > 0 {
					at := w.slot + (counts.before(class)+i*n)*w.depth + c
					w.transforms.input(n, w.inTable(b, class), &pixels[0], &slots[at], w.depth, w.slot, &tmp[0])
				}
			}
		}
	}

	// Products go to the previous slot.
	for xi := range matrices {
		first, n := w.needed(counts, xi)
		for panel := 0; panel < w.panels && n > 0; panel++ {
			j, _, width := w.panel(panel)
			u.Tile(width)(n, w.channels, &slots[(xi+1)*w.slot], &w.rowAt[first], &w.colAt[0],
				&w.matrix(group, panel, xi)[0], nil, 0, &slots[xi*w.slot+first*w.width+j], w.width)
		}
	}

	for i := range images {
		for o := 0; o < w.outputs; o += lanes {
			for class, n := range b.counts {
				if n > 0 {
					at := (counts.before(class)+i*n)*w.width + o
					w.transforms.output(n, w.outTable(b, class), &slots[at], w.width, w.slot, &w.packedBias[group*w.width+o], &pixels[0], &tmp[0])
				}
			}
			n, size := min(lanes, w.outputs-o), w.dst[0]*w.dst[1]
			at := (((image+i)*w.groups+group)*w.outputs+o)*size + b.dst
			w.then.deinterleave(u, w.transposeOut, group*w.outputs+o, n, b.dstPixels, pixels, w.y, at, size)
		}
	}
}
