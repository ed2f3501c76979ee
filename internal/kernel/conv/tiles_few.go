package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// tilesFewPixels is the number of pixels of all images up to which tilesFew is used, and
	// tilesFewChannels that of the channels from which on it is: with fewer, the weights are
	// few too.
	tilesFewPixels   = 1024
	tilesFewChannels = 16

	// One image in place with at least tilesFewDeep channels may have tilesFewMore times
	// tilesFewPixels pixels. More than tilesFewPixels are cut into pieces of about tilesFewPiece,
	// and panels of less than tilesFewWide columns would read them too often.
	tilesFewDeep  = 192
	tilesFewMore  = 4
	tilesFewPiece = 512
	tilesFewWide  = 64

	// tilesFewLeast is the number of pixels from which on up to tilesFewPanels panels of weights
	// are multiplied by an image in place. More are by twice as many pixels, if the image fills
	// less than half the second cache.
	tilesFewLeast  = 64
	tilesFewPanels = 4

	// tilesFewApart is a distance between channels, in elements, at which they displace each
	// other in the first cache, as at its multiples.
	tilesFewApart = 256

	// tilesFewCopy bounds the elements of the padded copy of all images.
	tilesFewCopy = 1 << 20
)

// tilesFew is the forward pass of tiles for few pixels, such as those of one image. Packed
// weights would be used so few times that writing them to memory and reading them takes as
// long as the product. So a part packs the weights of some outputs, a piece of the channels
// at a time, and multiplies them by all pixels while they are in its cache. All images are
// copied first; a single one is read in place if kernels have one pixel.
//
// Sums are in the order of the weights, and edges leave no taps out.
type tilesFew struct {
	*product
	copied  window // with all images in one chunk
	inPlace bool   // the image is not copied
	copying bool   // during the run that copies the images
	vectors int    // of the outputs of a group
	parts   int    // of the outputs of a group
	pieces  int    // of the tiles of pixels, if they are many or there are more threads than panels
	piece   int    // channels whose weights are packed at a time
	copies  int    // channels that a part copies
	x       []float32
	weights []float32 // all that are kept, those of one part after the other; nil if each packs its own
}

// init takes the window of p, with all images in one chunk.
func (t *tilesFew) init(p *product) {
	t.product = p
	t.inPlace = p.geometry.Batch == 1 && p.nTaps == 1 && p.whole && size(p.window.src) == p.outSize
	pixels := p.geometry.Batch * p.outSize
	if t.inPlace && p.channels >= tilesFewDeep {
		pixels /= tilesFewMore
	}
	if p.backward || pixels > tilesFewPixels || p.channels < tilesFewChannels {
		return
	}
	w := p.window
	w.all(p.geometry.Batch)
	if w.copySize() > tilesFewCopy/p.geometry.Group {
		return
	}
	w.tables()
	if t.inPlace {
		w.imageStride = p.channels * p.srcSize
		w.pixels, w.taps = multiples(w.pixels, p.outSize, 1), multiples(w.taps, p.channels, p.srcSize)
	}
	t.copied = w
}

// fits reports whether tilesFew can compute the product and should.
func (t *tilesFew) fits() bool {
	if t.outSize > tilesFewPixels && t.micro.Panel() < tilesFewWide {
		return false
	}
	return t.copied.pixels != nil && t.dstChannels >= t.micro.Lanes
}

// apart reports whether the channels of an image in place do not displace each other in the
// first cache.
func (t *tilesFew) apart() bool { return t.outSize%tilesFewApart != 0 }

// beatsDense reports whether tilesFew, with the image in place, is faster than dense, which packs
// the pixels. Each panel of weights reads the image again. With few pixels and many weights
// dense is faster, since its products bring the next weights from memory.
func (t *tilesFew) beatsDense() bool {
	panel := t.micro.Panel()
	if !t.inPlace || !t.fits() || !t.apart() {
		return false
	}
	return t.dstChannels <= panel ||
		t.outSize >= tilesFewLeast && t.dstChannels <= tilesFewPanels*panel ||
		t.outSize >= 2*tilesFewLeast && 8*t.channels*t.outSize <= cpu.L2()
}

func (t *tilesFew) run(op parallel.Op) {
	g := t.geometry
	t.vectors = gemm.CeilDiv(t.dstChannels, t.micro.Lanes)
	threads, panels := t.pool.Threads(), gemm.CeilDiv(t.dstChannels, t.micro.Panel())
	t.parts = max(panels, min(t.vectors/2, gemm.RoundUp(panels, threads)))
	t.pieces = gemm.CeilDiv(threads, t.parts)
	if pixels := g.Batch * t.outSize; pixels > tilesFewPixels {
		t.pieces = max(t.pieces, gemm.CeilDiv(pixels, tilesFewPiece))
	}
	t.pieces = min(t.pieces, t.tiles())
	t.piece = max(1, sumDepth/t.nTaps)
	if t.x = t.src; !t.inPlace {
		t.x = op.Workspace(g.Group * t.copied.copySize())
		t.copies = min(t.piece, gemm.CeilDiv(t.channels, denseParts*threads))
		t.copying = true
		t.pool.RunWork(g.macs(), g.Group*gemm.CeilDiv(t.channels, t.copies), t)
		t.copying = false
	}
	t.weights = t.kept.get(t.pool, t.micro, g.Group*t.keptSize(), g.Group*t.parts, t)
	t.pool.RunWork(g.macs(), g.Group*t.parts*t.pieces, t)
	t.x, t.weights = nil, nil
}

// packKept packs the weights of a part of the outputs.
func (t *tilesFew) packKept(_, part int, packed []float32) {
	group, depth := part/t.parts, t.depth()
	first, n, w := t.outputs(part % t.parts)
	t.micro.TransposeTo(n, depth, t.weight[(group*t.dstChannels+first)*depth:], depth, packed[group*t.keptSize()+first*depth:], w)
}

// keptSize returns the number of elements that are kept of the weights of a group.
func (t *tilesFew) keptSize() int { return t.vectors * t.micro.Lanes * t.depth() }

// outputs returns the first output of a part, their number, and that with those that fill the
// last vector.
func (t *tilesFew) outputs(part int) (first, n, w int) {
	lanes := t.micro.Lanes
	first = part * t.vectors / t.parts * lanes
	w = (part+1)*t.vectors/t.parts*lanes - first
	return first, min(w, t.dstChannels-first), w
}

// tiles returns the number of tiles of the pixels of all images.
func (t *tilesFew) tiles() int { return gemm.CeilDiv(t.geometry.Batch*t.outSize, gemm.TileRows) }

// Do copies a piece of the channels or computes a part of the outputs.
func (t *tilesFew) Do(worker, i int) {
	if t.copying {
		pieces := gemm.CeilDiv(t.channels, t.copies)
		group, c := i/pieces, i%pieces*t.copies
		t.copied.fillChannels(t.micro, t.copied.chunk(t.geometry.Batch, 0), c, min(t.copies, t.channels-c),
			t.src[group*t.channels*t.srcSize:], t.geometry.Group*t.channels*t.srcSize, t.x[group*t.copied.copySize():])
		return
	}
	part, i := i%t.parts, i/t.parts
	group, piece, tiles := i/t.pieces, i%t.pieces, t.tiles()
	t.compute(worker, group, part, piece*tiles/t.pieces, (piece+1)*tiles/t.pieces)
}

// compute computes a part of the outputs of a group for the tiles from from to to-1.
func (t *tilesFew) compute(worker, group, part, from, to int) {
	u, depth := t.micro, t.depth()
	first, n, w := t.outputs(part)
	from, to = from*gemm.TileRows, min(to*gemm.TileRows, t.geometry.Batch*t.outSize)
	rows := to - from
	buf := t.pool.Scratch(worker, (1+rows+min(t.piece, t.channels)*t.nTaps)*w)
	bias, sums, packed := buf[:w], buf[w:][:rows*w], buf[(1+rows)*w:]
	if n < w && t.weights == nil {
		clear(packed)
	}
	init, step := (*float32)(nil), 0
	if t.bias != nil {
		clear(bias[copy(bias, t.bias[group*t.dstChannels+first:][:n]):])
		init = &bias[0]
	}
	weight, x := t.weight[(group*t.dstChannels+first)*depth:], t.x[group*t.copied.copySize():]
	for c := 0; c < t.channels; c += t.piece {
		k, at := min(t.piece, t.channels-c)*t.nTaps, c*t.nTaps
		if t.weights != nil {
			packed = t.weights[group*t.keptSize()+first*depth+at*w:]
		} else {
			next := k
			if at+k == depth {
				next = n*depth - at // of the outputs that follow
			}
			u.TransposeAhead(n, k, weight[at:], depth, packed, w, next)
		}
		u.Tile(w)(rows, k, &x[0], &t.copied.pixels[from], &t.copied.taps[at], &packed[0], init, step, &sums[0], w)
		init, step = &sums[0], w
	}
	done := t.then.ApplyUniform(group*t.dstChannels+first, n, sums)
	for pixel := from; pixel < to; {
		image, q := pixel/t.outSize, pixel%t.outSize
		pixels := min(t.outSize-q, to-pixel)
		at := ((image*t.geometry.Group+group)*t.dstChannels+first)*t.dstSize + q
		u.TransposeTo(pixels, n, sums[(pixel-from)*w:], w, t.dst[at:], t.dstSize)
		if !done {
			t.finish(group*t.dstChannels+first, n, at, pixels)
		}
		pixel += pixels
	}
}
