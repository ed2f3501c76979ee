package conv

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

const (
	// winogradChannels is the minimum number of channels and of outputs of a group, or of two
	// that are joined, for Winograd's algorithm: with fewer, the transforms take more time than
	// they save.
	winogradChannels = 16

	// blockSize bounds the elements of the products of a block, so that they and the
	// transformed weights of 64 channels stay in the L2 cache of a Sapphire Rapids. On a
	// Zen 4, which has 1 MiB, less is no better: bands of fewer rows read more rows twice.
	blockSize = 160 << 10

	// leastBlocks is the minimum number of blocks, for several threads, unless they would have
	// few tiles.
	leastBlocks = 8

	// blockTiles is the minimum number of tiles in a block: with fewer, the weights would be
	// read too often.
	blockTiles = 60

	// fourierTiles is that of fourier5x5, whose tiles are six times as large.
	fourierTiles = 24
)

// A tiling splits a convolution of 3x3 or 5x5 weights and stride 1, from planes src to
// planes dst, into the tiles of Winograd's algorithm.
//
// A block is the tiles of some images, or of some rows of tiles of one image. The tiles
// of one image in a block are a band.
type tiling struct {
	batch, groups     int
	channels, outputs int // of a group
	joined            int // groups of the convolution that are one group here
	src, dst          [2]int
	pad               [2]int // of src; negative: that much of it is skipped

	algorithm algorithm
	m, r, n   int    // F(mxm,rxr) with input tiles of n by n
	perPlane  [2]int // tiles
	full      [2]int // those of m outputs, which come first; the others have m-1
	plane     counts // of a plane's tiles

	images, rows, bands int    // of a block: images, or rows of tiles of one; bands: blocks of an image
	band                []band // of a plane
	sumEnds             []int  // of the pieces of a plane of dst for PlaneSums, for any number of threads
	threads             int    // that share the blocks; 0: not cut for threads

	lanes   int     // that the tables are for; 0: no tables yet
	in, out []int32 // offsets of the pixels of each tile, of its input and of its output
}

// A band is some tiles of a plane, from first on, with the pixels of src that they need
// and of dst that they compute.
type band struct {
	first, tiles, src, srcPixels, dst, dstPixels int
	counts, before                               counts // of its tiles and those of the bands before
}

// newTiling returns the tiling of the forward pass, or nil if Winograd's algorithm does
// not apply or does not pay off.
func newTiling(g *geometry) *tiling {
	if g.Batch == 0 || !g.tiled() {
		return nil
	}
	n := g.joined()
	t := &tiling{
		batch: g.Batch, groups: g.Group / n, channels: n * g.groupChannels(), outputs: n * g.groupOutputs(), joined: n,
		src: [2]int{g.In[0], g.In[1]}, dst: [2]int{g.out[0], g.out[1]}, pad: [2]int{g.Pad[0], g.Pad[1]}, r: g.Kernel[0],
	}
	t.cut()
	return t
}

// tiled reports whether Winograd's algorithm applies and pays off for images.
func (g *geometry) tiled() bool {
	if len(g.In) != 2 || g.Direct || g.joined()*min(g.groupChannels(), g.groupOutputs()) < winogradChannels {
		return false
	}
	r := g.Kernel[0]
	for a := range 2 {
		if r != 3 && r != 5 || g.Kernel[a] != r || g.Stride[a] != 1 || g.Dilation[a] != 1 {
			return false
		}
	}
	return true
}

// joined returns the number of neighbouring groups that Winograd's algorithm computes as one, whose
// weights from the channels of one group to the outputs of another are zero: two, if that
// fills vectors, and one has too few channels or outputs.
func (g *geometry) joined() int {
	const half = winogradChannels / 2
	channels, outputs := g.groupChannels(), g.groupOutputs()
	if min(channels, outputs) == half && channels%half == 0 && outputs%half == 0 && g.Group%2 == 0 {
		return 2
	}
	return 1
}

// ofGroup returns the range of those outputs from j to end-1 that belong to the group of a
// channel, and the channel's number in its group.
func (t *tiling) ofGroup(channel, j, end int) (first, last, ch int) {
	channels, outputs := t.channels/t.joined, t.outputs/t.joined
	group := channel / channels
	return min(max(j, group*outputs), end), min(end, (group+1)*outputs), channel % channels
}

// backward returns the tiling of the gradient of the input, which is the same
// convolution of dy, with the weights rotated by 180°.
func (t *tiling) backward() *tiling {
	b := &tiling{
		batch: t.batch, groups: t.groups, channels: t.outputs, outputs: t.channels, joined: t.joined,
		src: t.dst, dst: t.src, pad: [2]int{t.r - 1 - t.pad[0], t.r - 1 - t.pad[1]}, r: t.r,
	}
	b.cut()
	return b
}

// ofWeights returns the tiling of the gradient of the weights, which is not cut for threads.
func (t *tiling) ofWeights() *tiling {
	w := *t
	return &w
}

// choose chooses the algorithm.
func (t *tiling) choose() {
	switch t.algorithm = f4x4of3x3; {
	case t.r == 5 && t.byFourier():
		t.algorithm = fourier5x5
	case t.r == 5:
		t.algorithm = f2x2of5x5
	case t.cost(f2x2of3x3) <= t.cost(f4x4of3x3): // the planes are small or few
		t.algorithm = f2x2of3x3
	}
	t.m = t.algorithm.outputs()
	t.n = t.m + t.r - 1
}

// cost returns the number of products of a channel and an output, with three for each of its
// transformed weights, which take about as long on a Zen 4.
func (t *tiling) cost(a algorithm) int { return t.batch*t.products(a) + 3*a.matrices() }

// byFourier reports whether Fourier transforms pay off for 5x5 weights: there are fewer
// products, and enough tiles for the transformed weights, which are six times as many.
func (t *tiling) byFourier() bool {
	return t.products(fourier5x5) < t.products(f2x2of5x5) &&
		t.batch*gemm.CeilDiv(t.dst[0], fourierOutputs)*gemm.CeilDiv(t.dst[1], fourierOutputs) >= gemm.TileRows
}

// products returns the number of products of a channel and an output for a plane.
func (t *tiling) products(a algorithm) int {
	if a == fourier5x5 {
		return gemm.CeilDiv(t.dst[0], fourierOutputs) * gemm.CeilDiv(t.dst[1], fourierOutputs) * fourierMatrices
	}
	products := 1
	for _, n := range t.dst {
		tiles, full := a.tiles(n)
		products *= tiles*(a.outputs()-1+t.r-1) + full
	}
	return products
}

// cut chooses the algorithm and splits the work into blocks.
func (t *tiling) cut() {
	t.choose()
	for axis, n := range t.dst {
		t.perPlane[axis], t.full[axis] = t.algorithm.tiles(n)
	}
	perImage := t.perPlane[0] * t.perPlane[1]
	most := max(min(t.limit(), gemm.CeilDiv(t.batch*perImage, leastBlocks)), 2*gemm.TileRows)
	t.images, t.rows = 1, t.perPlane[0]
	if perImage <= most {
		t.sumEnds = []int{t.dst[0] * t.dst[1]}
		t.images = t.imagesPerBlock(gemm.CeilDiv(t.batch*perImage, most))
	} else {
		t.sumEnds = nil
		for i := range t.perPlane[0] { // bands are rows of tiles
			t.sumEnds = append(t.sumEnds, min(t.start(0, i+1), t.dst[0])*t.dst[1])
		}
		t.rows = gemm.CeilDiv(t.rows, gemm.CeilDiv(t.rows, max(1, most/t.perPlane[1])))
	}
	t.setBands(gemm.CeilDiv(t.perPlane[0], t.rows), func(i int) int { return min(i*t.rows, t.perPlane[0]) })
}

// setBands cuts planes into n bands. Band i begins at row(i) of the tiles.
func (t *tiling) setBands(n int, row func(i int) int) {
	t.bands = n
	t.band = make([]band, n)
	t.plane = counts{}
	for i := range t.band {
		row, rows := row(i), row(i+1)-row(i)
		from, to := t.srcRows(row, rows)
		first, last := t.start(0, row), min(t.start(0, row+rows), t.dst[0])
		t.band[i] = band{
			first: row * t.perPlane[1], tiles: rows * t.perPlane[1],
			src: from * t.src[1], srcPixels: (to - from) * t.src[1],
			dst: first * t.dst[1], dstPixels: (last - first) * t.dst[1],
			before: t.plane,
		}
		for j := range rows * t.perPlane[1] {
			class := t.class(row+j/t.perPlane[1], j%t.perPlane[1])
			t.band[i].counts[class]++
			t.plane[class]++
		}
	}
	t.lanes = 0
}

// share cuts the planes for some threads. If they would be few blocks of the largest size, such
// as those of one image, each thread gets as many blocks, which are as large as possible: a
// block of few tiles reads as many weights.
func (t *tiling) share(threads int) {
	if t.threads == threads {
		return
	}
	t.threads = threads
	t.cut()
	rows := t.perPlane[0]
	planes, bands := t.batch*t.groups, gemm.CeilDiv(rows, max(1, t.limit()/t.perPlane[1]))
	if t.images > 1 || planes*bands >= 4*max(threads, 2) {
		return
	}
	bands = min(rows, gemm.CeilDiv(gemm.RoundUp(planes*bands, threads), planes))
	t.rows = gemm.CeilDiv(rows, bands)
	t.setBands(bands, func(i int) int { return gemm.CeilDiv(i*rows, bands) })
}

// limit returns the largest number of tiles of a block.
func (t *tiling) limit() int {
	least := blockTiles
	if t.algorithm == fourier5x5 {
		least = fourierTiles
	}
	return max(least, blockSize/(t.matrices()*max(t.channels, t.outputs)))
}

// imagesPerBlock returns the number of images in a block that gives about the wanted
// number of blocks, a multiple of 4, which are as even as possible: threads share them.
func (t *tiling) imagesPerBlock(blocks int) int {
	images, least := gemm.CeilDiv(t.batch, blocks), math.MaxInt
	for n := max(4, gemm.RoundUp(blocks*3/4, 4)); n <= min(blocks*3/2, t.batch); n += 4 {
		each := gemm.CeilDiv(t.batch, n)
		if cost := n*each*64 + max(n-blocks, blocks-n); cost < least { // among equals, the nearest
			images, least = each, cost
		}
	}
	return images
}

// start returns the first output of tile i along an axis, which is the end of the tile before.
func (t *tiling) start(axis, i int) int { return i*t.m - max(i-t.full[axis], 0) }

// srcRows returns the rows of src that rows of tiles need.
func (t *tiling) srcRows(row, rows int) (from, to int) {
	from = min(max(t.start(0, row)-t.pad[0], 0), t.src[0])
	return from, max(min(t.start(0, row+rows)+t.r-1-t.pad[0], t.src[0]), from)
}

// tables lists the offsets of the pixels of all tiles, one class of the tiles of a band after
// the other, in vectors of the given number of channels. A pixel outside the plane has the
// offset after those of the band, where the input has zeros and the output is dropped, and so
// have the last pixels of a tile with fewer outputs.
func (t *tiling) tables(lanes int) {
	if t.lanes == lanes {
		return
	}
	t.lanes = lanes
	t.in, t.out = t.in[:0], t.out[:0]
	for i := range t.band {
		b := &t.band[i]
		for class := range classes {
			for j := b.first; j < b.first+b.tiles; j++ {
				row, column := j/t.perPlane[1], j%t.perPlane[1]
				if t.class(row, column) != class {
					continue
				}
				from, to := [2]int{t.start(0, row), t.start(1, column)}, [2]int{t.start(0, row+1), t.start(1, column+1)}
				t.out = appendTile(t.out, t.m, from, to, t.dst, b.dst, b.dstPixels, lanes)
				for axis, pad := range t.pad {
					from[axis] -= pad
					to[axis] += t.r - 1 - pad
				}
				t.in = appendTile(t.in, t.n, from, to, t.src, b.src, b.srcPixels, lanes)
			}
		}
	}
}

// appendTile appends the offsets of n by n pixels in a band of a plane that starts with pixel
// first, from the pixel at from on. Those from to on count as outside the plane.
func appendTile(list []int32, n int, from, to, plane [2]int, first, pixels, lanes int) []int32 {
	for i := from[0]; i < from[0]+n; i++ {
		for j := from[1]; j < from[1]+n; j++ {
			at := pixels
			if i >= 0 && i < min(to[0], plane[0]) && j >= 0 && j < min(to[1], plane[1]) {
				at = i*plane[1] + j - first
			}
			list = append(list, int32(at*lanes))
		}
	}
	return list
}

// inTable and outTable return the offsets for the tiles of a band from a class on.
func (t *tiling) inTable(b *band, class int) *int32 {
	return &t.in[(b.first+b.counts.before(class))*t.n*t.n]
}
func (t *tiling) outTable(b *band, class int) *int32 {
	return &t.out[(b.first+b.counts.before(class))*t.m*t.m]
}

// matrices returns the number of matrix products.
func (t *tiling) matrices() int { return t.algorithm.matrices() }

// blocks returns the number of blocks of a group.
func (t *tiling) blocks() int { return gemm.CeilDiv(t.batch, t.images) * t.bands }

// between returns the tiles from block first to the one before end.
func (t *tiling) between(first, end int) counts {
	a, b := t.band[first%t.bands].before, t.band[end%t.bands].before
	images := min(end/t.bands*t.images, t.batch) - min(first/t.bands*t.images, t.batch)
	for class, n := range t.plane {
		b[class] += images*n - a[class]
	}
	return b
}

// maxTiles returns the number of tiles of the largest block.
func (t *tiling) maxTiles() int { return t.images * t.rows * t.perPlane[1] }

// maxPixels returns the largest number of pixels of a band of src or dst.
func (t *tiling) maxPixels() int {
	n := 0
	for _, b := range t.band {
		n = max(n, b.srcPixels, b.dstPixels)
	}
	return n
}

// multiples returns the first n multiples of step, reusing list if it already has them.
func multiples(list []int32, n, step int) []int32 {
	if len(list) == n && (n < 2 || list[1] == int32(step)) {
		return list
	}
	list = list[:0]
	for i := range n {
		list = append(list, int32(i*step))
	}
	return list
}
