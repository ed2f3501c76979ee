package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// fewTilesMost is the number of tiles of all images up to which the work is cut across
	// the outputs: the products of a panel with so many tiles stay in the L2 cache. Twice as
	// many, in shares of as many, are faster that way if the transformed weights have
	// fewWeights elements.
	fewTilesMost = 64
	fewWeights   = 1 << 20

	// fewChannels is the number of channels whose weights are transformed at a time: with
	// F(4x4,3x3) and 64 outputs they take 590 KB, and come from memory in pieces of 2 KB,
	// which the processor prefetches. With 16 channels that takes a third longer.
	fewChannels = 64

	// keptTiles is the number of tiles of all images from which on transformed weights can be
	// kept. With fewer, reading them from memory takes several threads longer than transforming.
	keptTiles = 8

	// matrixGap is the distance between the end of a matrix and the next one, so that they start
	// in different sets of the cache.
	matrixGap = 16
)

// fewTiles is a winogradProduct for few tiles, such as those of one image. Transformed
// weights are four times as large as the weights, and each is used for few tiles only. So
// a part transforms the weights of some outputs, a piece of the channels at a time, and
// multiplies them with all tiles while they are in its cache. If the tiles are too many for
// that, it keeps the transformed weights of all channels for all shares of the tiles.
//
// The sums are those of winogradProduct to the last bit, for any number of parts.
type fewTiles struct {
	*winogradProduct
	inputs   bool      // during the run that transforms the input
	vectors  int       // of the outputs of a group
	parts    int       // of the outputs of a group
	perImage int       // tiles
	share    int       // images whose products are computed at a time
	shares   int       // of the batch
	height   int       // tiles of a share
	tiles    []float32 // the transformed input: groups of matrices (rows,depth)
	weights  []float32 // all that are kept, those of one part after the other; nil if each transforms its own
}

// few reports whether there are so few tiles that fewTiles is faster.
func (w *winogradProduct) few() bool {
	perImage := w.perPlane[0] * w.perPlane[1]
	all, weights := w.batch*perImage, w.matrices()*w.channels*w.outputs
	return all <= fewTilesMost || all <= 2*fewTilesMost && perImage <= fewTilesMost && weights >= fewWeights
}

func (t *fewTiles) run(op parallel.Op, w *winogradProduct) {
	t.winogradProduct = w
	lanes := w.micro.Lanes
	t.perImage = w.perPlane[0] * w.perPlane[1]
	t.shares = gemm.CeilDiv(w.batch, fewTilesMost/t.perImage)
	t.share = gemm.CeilDiv(w.batch, t.shares)
	t.height = t.share * t.perImage
	w.rowAt = w.rowAt[:0]
	for share := range t.shares {
		first, images := t.imagesOf(share)
		for class := range classes {
			for image := first; image < first+images; image++ {
				for i := range t.band {
					b := &t.band[i]
					for j := range b.counts[class] {
						w.rowAt = append(w.rowAt, int32((t.row(image, b, class)+j)*w.depth))
					}
				}
			}
		}
	}
	w.colAt = multiples(w.colAt, w.channels, 1)
	w.slot = w.batch*t.perImage*w.depth + 16 // the matrices start in different sets of the cache
	t.vectors = gemm.CeilDiv(w.outputs, lanes)
	t.parts = min(t.vectors, gemm.RoundUp(gemm.CeilDiv(w.outputs, w.micro.Panel()), w.pool.Threads()))
	t.tiles = op.Workspace(w.groups * w.matrices() * w.slot)
	t.inputs = true
	w.pool.Run(w.groups*w.blocks()*(w.depth/lanes), t)
	t.inputs = false
	t.weights = w.kept.get(w.pool, w.micro, w.keptSize(lanes), w.groups*t.parts, t)
	w.pool.Run(w.groups*t.parts, t)
	t.tiles, t.weights = nil, nil
}

// packedSize returns the number of elements of the transformed weights if keeping them pays off, and
// otherwise 0.
func (w *winogradProduct) packedSize() int {
	if !w.few() || w.batch*w.perPlane[0]*w.perPlane[1] < keptTiles {
		return 0
	}
	return w.keptSize(gemm.Active().Lanes)
}

// keptSize returns the number of elements of the transformed weights.
func (w *winogradProduct) keptSize(lanes int) int {
	return w.groups * gemm.CeilDiv(w.outputs, lanes) * w.keptVector(lanes)
}

// keptVector is the number of elements that are kept of the weights of a vector of outputs, with
// the gap after each of its matrices.
func (w *winogradProduct) keptVector(lanes int) int {
	return w.matrices() * (w.channels*lanes + matrixGap)
}

// packKept transforms the weights of a part of the outputs.
func (t *fewTiles) packKept(worker, part int, packed []float32) {
	group, part := part/t.parts, part%t.parts
	first, n, width := t.outputsOf(part)
	w, step := t.keptPart(packed, group, first), t.channels*width+matrixGap
	piece := min(fewChannels, t.channels)
	buf := t.pool.Scratch(worker, t.filterSize(piece, width))
	for c := 0; c < t.channels; c += piece {
		t.packFilters(group, first, n, width, c, min(piece, t.channels-c), buf, w[c*width:], step)
	}
}

// keptPart returns those of the weights that are kept of the outputs of a group from first on.
func (t *fewTiles) keptPart(packed []float32, group, first int) []float32 {
	lanes := t.micro.Lanes
	return packed[(group*t.vectors+first/lanes)*t.keptVector(lanes):]
}

// outputsOf returns the first output of a part, their number, and that with those that fill the
// last vector.
func (t *fewTiles) outputsOf(part int) (first, n, width int) {
	lanes := t.micro.Lanes
	first = part * t.vectors / t.parts * lanes
	width = (part+1)*t.vectors/t.parts*lanes - first
	return first, min(width, t.outputs-first), width
}

// imagesOf returns the first image of a share and the number of its images.
func (t *fewTiles) imagesOf(share int) (first, n int) {
	return share * t.share, min(t.share, t.batch-share*t.share)
}

// Do transforms part i of the input or computes part i of the outputs.
func (t *fewTiles) Do(worker, i int) {
	if t.inputs {
		vectors := t.depth / t.micro.Lanes
		t.input(worker, i/vectors%t.groups, i/vectors/t.groups, i%vectors*t.micro.Lanes)
		return
	}
	t.output(worker, i/t.parts, i%t.parts)
}

// input transforms a vector of channels from c on of a block of tiles.
func (t *fewTiles) input(worker, group, block, c int) {
	b := &t.band[block%t.bands]
	plane := (t.maxPixels() + 1) * t.micro.Lanes
	buf := t.pool.Scratch(worker, tmpSize+plane)
	tmp, pixels := buf[:tmpSize], buf[tmpSize:]
	size := t.src[0] * t.src[1]
	first := block / t.bands * t.images
	for image := first; image < min(first+t.images, t.batch); image++ {
		src := t.x[((image*t.groups+group)*t.channels+c)*size+b.src:]
		interleave(t.micro, min(t.micro.Lanes, t.channels-c), b.srcPixels, src, size, pixels)
		t.inputMap.Apply(group, c, pixels[:b.srcPixels*t.micro.Lanes])
		dst := t.tiles[group*t.matrices()*t.slot+t.row(image, b, 0)*t.depth+c:]
		t.transforms.input(b.tiles, t.inTable(b, 0), &pixels[0], &dst[0], t.depth, t.slot, &tmp[0])
	}
}

// row returns the number of tiles before those of a class of a band of an image.
func (t *fewTiles) row(image int, b *band, class int) int {
	return image*t.perImage + b.first + b.counts.before(class)
}

// output computes a part of the outputs of a group.
func (t *fewTiles) output(worker, group, part int) {
	u, lanes, matrices := t.micro, t.micro.Lanes, t.matrices()
	first, n, width := t.outputsOf(part)
	piece := min(fewChannels, t.channels)
	depth := piece
	if t.shares > 1 || t.weights != nil {
		depth = t.channels
	}
	weights, sums := depth*width+matrixGap, t.height*width+matrixGap
	plane := (t.maxPixels() + 1) * lanes
	own := matrices * weights // transformed by this part
	if t.weights != nil {
		own = 0
	}
	buf := t.pool.Scratch(worker, width+plane+t.filterSize(piece, width)+own+matrices*sums)
	bias, buf := buf[:width], buf[width:]
	pixels, buf := buf[:plane], buf[plane:]
	filters, buf := buf[:t.filterSize(piece, width)], buf[t.filterSize(piece, width):]
	w, m := buf[:own], buf[own:]
	if t.weights != nil {
		w = t.keptPart(t.weights, group, first)
	}
	t.packBias(group, first, n, bias)

	tile := u.Tile(width)
	size := t.dst[0] * t.dst[1]
	for share := range t.shares {
		start, images := t.imagesOf(share)
		counts, rowAt := t.plane.times(images), t.rowAt[share*t.height:]
		for c := 0; c < t.channels; c += depth {
			k := min(depth, t.channels-c)
			for i := 0; i < k && share == 0 && t.weights == nil; i += piece {
				t.packFilters(group, first, n, width, c+i, min(piece, k-i), filters, w[i*width:], weights)
			}
			for xi := range matrices {
				row, rows := t.needed(counts, xi)
				if rows == 0 {
					continue
				}
				to, init := &m[xi*sums+row*width], (*float32)(nil)
				if c > 0 {
					init = to
				}
				tile(rows, k, &t.tiles[(group*matrices+xi)*t.slot+c], &rowAt[row], &t.colAt[0], &w[xi*weights], init, width, to, width)
			}
		}

		for image := start; image < start+images; image++ {
			for i := range t.band {
				b := &t.band[i]
				for o := 0; o < n; o += lanes {
					for class, tiles := range b.counts {
						if tiles > 0 {
							at := (counts.before(class)+(image-start)*t.plane[class]+b.before[class])*width + o
							t.transforms.output(tiles, t.outTable(b, class), &m[at], width, sums, &bias[o], &pixels[0], &filters[0])
						}
					}
					at := ((image*t.groups+group)*t.outputs+first+o)*size + b.dst
					t.then.deinterleave(u, u.Transpose, group*t.outputs+first+o, min(lanes, n-o), b.dstPixels, pixels, t.y, at, size)
				}
			}
		}
	}
}
