package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

// winogradChannels is the least number of channels and of outputs of a group
// for which Winograd's convolution is used: with fewer, the transforms take
// more time than they save.
const winogradChannels = 16

// winogradFloats bounds what a block of the products takes, so that it and the
// transformed weights of 64 channels stay in the L2 cache.
const winogradFloats = 160 << 10

// winogradTiles is the least number of tiles of a block, so that the weights are
// not read too often.
const winogradTiles = 60

// winograd is a convolution of 3 by 3 or 5 by 5 weights and stride 1 from planes src to
// planes dst, by Winograd's algorithm: the forward pass, or the gradient of the
// input, which is the same convolution of dy by the turned weights.
//
// The tiles of some images, or of some rows of tiles of one, are a block. Each
// task takes a block from the transform of its input to its output: the
// n² matrix products of tiles by weights run one after the other, and the
// products take the place of tiles that are not needed any more.
type winograd struct {
	batch, groups     int
	channels, outputs int // of a group
	src, dst          [2]int
	pad               [2]int // of src; negative: that much is skipped
	turned            bool   // the weights are those of the other direction

	which int    // of micro.winograd
	m     int    // F(mxm,rxr)
	r     int    // size of the weights
	n     int    // of a tile: m+r-1
	tiles [2]int // of a plane

	images, rows, bands int        // a block: images, or rows of tiles of one; bands: blocks of an image
	band                []planeRow // for each band
	lanes               int        // that the tables are made for
	in, out             []int32    // places of the pixels of each tile, of its input and of its output

	u                       *micro
	pool                    *Pool
	packing                 bool
	panels, width           int           // panels of a group, columns of them all
	depth                   int           // channels, in whole vectors
	slot                    int           // from one of the n² matrices of a block to the next
	turn                    transposeFunc // of the output
	rowAt, colAt            []int32
	packed, packedBias      []float32
	x, weight, bias, result []float32
}

// A planeRow is a band of a plane: the tiles from first on, and the pixels of
// src and of dst that they need and make.
type planeRow struct{ first, tiles, src, srcPixels, dst, dstPixels int }

// newWinograd returns the forward pass of the convolution, or nil if it is none
// for Winograd's algorithm.
func newWinograd(p *ConvParams, out []int) *winograd {
	if len(p.In) != 2 || p.Direct || p.Batch == 0 || p.Channels/p.Group < winogradChannels || p.Outputs/p.Group < winogradChannels {
		return nil
	}
	r := p.Kernel[0]
	for a := range 2 {
		if r != 3 && r != 5 || p.Kernel[a] != r || p.Stride[a] != 1 || p.Dilation[a] != 1 {
			return nil
		}
	}
	w := &winograd{
		batch: p.Batch, groups: p.Group, channels: p.Channels / p.Group, outputs: p.Outputs / p.Group,
		src: [2]int{p.In[0], p.In[1]}, dst: [2]int{out[0], out[1]}, pad: [2]int{p.Pad[0], p.Pad[1]}, r: r,
	}
	w.plan()
	return w
}

// backward returns the gradient of the input of w.
func (w *winograd) backward() *winograd {
	b := &winograd{
		batch: w.batch, groups: w.groups, channels: w.outputs, outputs: w.channels,
		src: w.dst, dst: w.src, pad: [2]int{w.r - 1 - w.pad[0], w.r - 1 - w.pad[1]}, turned: true, r: w.r,
	}
	b.plan()
	return b
}

// products returns the number of products of a channel and an output for a plane.
func (w *winograd) products(m int) int {
	return ceilDiv(w.dst[0], m) * ceilDiv(w.dst[1], m) * (m + 2) * (m + 2)
}

// plan cuts the work into blocks.
func (w *winograd) plan() {
	// F(2x2,3x3) where it computes no more, because the plane is small.
	switch w.which, w.m = 1, 4; {
	case w.r == 5:
		w.which, w.m = 2, 2
	case w.products(2) <= w.products(4):
		w.which, w.m = 0, 2
	}
	w.n = w.m + w.r - 1
	w.tiles = [2]int{ceilDiv(w.dst[0], w.m), ceilDiv(w.dst[1], w.m)}
	most := max(winogradTiles, winogradFloats/(w.matrices()*max(w.channels, w.outputs)))
	perImage := w.tiles[0] * w.tiles[1]
	// At least so many blocks, for many threads, of at least some tiles.
	most = max(min(most, ceilDiv(w.batch*perImage, convTasks)), 2*tileRows)
	w.images, w.rows = 1, w.tiles[0]
	if perImage <= most {
		w.images = w.imagesOf(perImage, ceilDiv(w.batch*perImage, most))
	} else {
		w.rows = max(1, most/w.tiles[1])
		w.rows = ceilDiv(w.tiles[0], ceilDiv(w.tiles[0], w.rows))
	}
	w.bands = ceilDiv(w.tiles[0], w.rows)
	w.band = make([]planeRow, w.bands)
	for i := range w.band {
		row := i * w.rows
		rows := min(w.rows, w.tiles[0]-row)
		from, to := w.seen(row, rows)
		first, last := row*w.m, min((row+rows)*w.m, w.dst[0])
		w.band[i] = planeRow{
			first: row * w.tiles[1], tiles: rows * w.tiles[1],
			src: from * w.src[1], srcPixels: (to - from) * w.src[1],
			dst: first * w.dst[1], dstPixels: (last - first) * w.dst[1],
		}
	}
}

// imagesOf returns how many images make a block so that there are about so many
// blocks: a multiple of 4, which threads share evenly, whose tiles fill the
// tiles of the micro-kernel best.
func (w *winograd) imagesOf(perImage, blocks int) int {
	images, least := ceilDiv(w.batch, blocks), math.MaxInt
	for n := max(4, roundUp(blocks/2, 4)); n <= min(2*blocks, w.batch); n += 4 {
		each := ceilDiv(w.batch, n)
		rows := n*roundUp(each*perImage, tileRows)*64 + max(n-blocks, blocks-n) // of equals the nearest
		if rows < least {
			images, least = each, rows
		}
	}
	return images
}

// seen returns the rows of src that rows of tiles see.
func (w *winograd) seen(row, rows int) (from, to int) {
	from = min(max(row*w.m-w.pad[0], 0), w.src[0])
	return from, max(min((row+rows)*w.m+w.r-1-w.pad[0], w.src[0]), from)
}

// tables lists the places of the pixels of all tiles, in vectors of the given
// number of channels. A pixel that is not there has the place behind those of
// the band: zeros of the input, what is dropped of the output.
func (w *winograd) tables(lanes int) {
	if w.lanes == lanes {
		return
	}
	w.lanes = lanes
	w.in, w.out = w.in[:0], w.out[:0]
	for i := range w.band {
		b := &w.band[i]
		for t := range b.tiles {
			y, x := (b.first+t)/w.tiles[1]*w.m, (b.first+t)%w.tiles[1]*w.m
			w.in = appendTile(w.in, w.n, y-w.pad[0], x-w.pad[1], w.src, b.src, b.srcPixels, lanes)
			w.out = appendTile(w.out, w.m, y, x, w.dst, b.dst, b.dstPixels, lanes)
		}
	}
}

// appendTile appends the places of n by n pixels from (y,x) on in a band of a
// plane, which begins with pixel first.
func appendTile(list []int32, n, y, x int, plane [2]int, first, pixels, lanes int) []int32 {
	for i := y; i < y+n; i++ {
		for j := x; j < x+n; j++ {
			place := pixels
			if i >= 0 && i < plane[0] && j >= 0 && j < plane[1] {
				place = i*plane[1] + j - first
			}
			list = append(list, int32(place*lanes))
		}
	}
	return list
}

// matrices returns n².
func (w *winograd) matrices() int { return w.n * w.n }

// blocks returns the number of blocks of a group.
func (w *winograd) blocks() int { return ceilDiv(w.batch, w.images) * w.bands }

// start returns the number of tiles before a block.
func (w *winograd) start(block int) int {
	perImage := w.tiles[0] * w.tiles[1]
	return min(block/w.bands*w.images, w.batch)*perImage + w.band[block%w.bands].first
}

// blockTiles returns the number of tiles of the largest block.
func (w *winograd) blockTiles() int { return w.images * w.rows * w.tiles[1] }

// maxPixels returns the largest number of pixels of a band of src or dst.
func (w *winograd) maxPixels() int {
	n := 0
	for _, b := range w.band {
		n = max(n, b.srcPixels, b.dstPixels)
	}
	return n
}

// run computes dst from src. A nil bias counts as zeros.
func (w *winograd) run(op parallel.Op, src, weight, bias, dst []float32) {
	p := op.Pool()
	w.u, w.pool, w.x, w.weight, w.bias, w.result = &micros[active], p, src, weight, bias, dst
	w.prepare()
	rows := ceilDiv(w.blockTiles(), tileRows) * tileRows
	w.rowAt = numbers(w.rowAt, rows, w.depth)
	w.colAt = numbers(w.colAt, w.channels, 1)
	w.slot = roundUp(rows*max(w.depth, w.width), 16) + 16 // the matrices start in different sets of the cache
	shared := op.Workspace(w.groups * w.width * (1 + w.matrices()*w.channels))
	w.packedBias, w.packed = shared[:w.groups*w.width], shared[w.groups*w.width:]
	w.turn = w.u.transpose
	if w.streams() {
		w.turn = w.u.stream
	}
	w.packing = true
	p.Run(w.groups*w.panels*w.pieces(), w)
	w.packing = false
	p.Run(w.groups*w.blocks(), w)
	w.pool, w.x, w.weight, w.bias, w.result, w.packed, w.packedBias = nil, nil, nil, nil, nil, nil, nil
}

// streams tells whether the output is written past the caches.
func (w *winograd) streams() bool {
	if w.u.stream == nil || !streams(w.result, w.dst[0]*w.dst[1]) {
		return false
	}
	for _, b := range w.band {
		if b.dst%16 != 0 {
			return false
		}
	}
	return true
}

// prepare finds what depends on the vectors of the machine.
func (w *winograd) prepare() {
	w.tables(w.u.lanes)
	w.panels = ceilDiv(w.outputs, w.u.panel())
	w.width = (w.panels-1)*w.u.panel() + w.u.width(w.outputs-(w.panels-1)*w.u.panel())
	w.depth = roundUp(w.channels, w.u.lanes)
}

// numbers returns the first n multiples of step.
func numbers(list []int32, n, step int) []int32 {
	if len(list) == n && (n < 2 || list[1] == int32(step)) {
		return list
	}
	list = list[:0]
	for i := range n {
		list = append(list, int32(i*step))
	}
	return list
}

func roundUp(n, unit int) int { return ceilDiv(n, unit) * unit }

// Do packs or computes part i.
func (w *winograd) Do(worker, i int) {
	if w.packing {
		n := w.pieces()
		w.pack(worker, i/(w.panels*n), i/n%w.panels, i%n)
		return
	}
	w.compute(worker, i%w.groups, i/w.groups)
}

// winogradPiece is how many channels of the weights a task transforms.
const winogradPiece = 16

func (w *winograd) pieces() int { return ceilDiv(w.channels, winogradPiece) }

// panel returns the first output, the number of outputs and the width of a
// panel.
func (w *winograd) panel(i int) (j, n, width int) {
	j = i * w.u.panel()
	n = min(w.u.panel(), w.outputs-j)
	return j, n, w.u.width(n)
}

// pack transforms the weights of some channels of a panel: n² matrices of a
// row for each channel and a column for each output.
func (w *winograd) pack(worker, group, panel, piece int) {
	j, n, width := w.panel(panel)
	first := piece * winogradPiece
	channels := min(winogradPiece, w.channels-first)
	taps := w.r * w.r
	buf := w.pool.Scratch(worker, channels*taps*width+winogradTemporary)
	tmp, rows := buf[:winogradTemporary], buf[winogradTemporary:]
	if n < width {
		clear(rows)
	}
	if w.turned {
		for c := range channels {
			src := w.weight[((group*w.channels+first+c)*w.outputs+j)*taps:][:n*taps]
			for tap := range taps {
				row := rows[(c*taps+tap)*width:][:n]
				for o := range row {
					row[o] = src[o*taps+taps-1-tap]
				}
			}
		}
	} else {
		depth := w.channels * taps
		w.u.transposeTo(n, channels*taps, w.weight[(group*w.outputs+j)*depth+first*taps:], depth, rows, width)
	}
	if piece == 0 {
		bias := w.packedBias[group*w.width+j:][:width]
		clear(bias)
		if w.bias != nil {
			copy(bias, w.bias[group*w.outputs+j:][:n])
		}
	}
	dst := w.matrix(group, panel, 0)
	for c := range channels {
		w.u.winograd[w.which].filter(width/w.u.lanes, &rows[c*taps*width], width, &dst[(first+c)*width], w.channels*w.width, &tmp[0])
	}
}

// matrix returns number xi of the matrices of a panel of weights.
func (w *winograd) matrix(group, panel, xi int) []float32 {
	all := w.matrices()
	return w.packed[((group*all+xi)*w.width+panel*w.u.panel())*w.channels:]
}

// compute computes a block of the result for the outputs of a group.
func (w *winograd) compute(worker, group, block int) {
	u, f := w.u, &w.u.winograd[w.which]
	lanes := u.lanes
	b := &w.band[block%w.bands]
	image := block / w.bands * w.images
	images := min(w.images, w.batch-image)
	tiles := images * b.tiles
	matrices := w.matrices()

	plane := (w.maxPixels() + 1) * lanes
	buf := w.pool.Scratch(worker, winogradTemporary+plane+(matrices+1)*w.slot)
	tmp, pixels, slots := buf[:winogradTemporary], buf[winogradTemporary:][:plane], buf[winogradTemporary+plane:]

	// Transformed tiles are rows of matrices, of which number xi is in slot xi+1.
	in := w.in[b.first*matrices:]
	for i := range images {
		for c := 0; c < w.channels; c += lanes {
			src := w.x[(((image+i)*w.groups+group)*w.channels+c)*w.src[0]*w.src[1]+b.src:]
			u.interleave(min(lanes, w.channels-c), b.srcPixels, src, w.src[0]*w.src[1], pixels)
			f.input(b.tiles, &in[0], &pixels[0], &slots[w.slot+i*b.tiles*w.depth+c], w.depth, w.slot, &tmp[0])
		}
	}

	// Products go to the slot before.
	for xi := range matrices {
		for panel := range w.panels {
			j, _, width := w.panel(panel)
			u.tile(width)(ceilDiv(tiles, tileRows), w.channels, &slots[(xi+1)*w.slot], &w.rowAt[0], &w.colAt[0],
				&w.matrix(group, panel, xi)[0], nil, 0, &slots[xi*w.slot+j], w.width)
		}
	}

	out := w.out[b.first*w.m*w.m:]
	for i := range images {
		for o := 0; o < w.outputs; o += lanes {
			f.output(b.tiles, &out[0], &slots[i*b.tiles*w.width+o], w.width, w.slot, &w.packedBias[group*w.width+o], &pixels[0], &tmp[0])
			dst := w.result[(((image+i)*w.groups+group)*w.outputs+o)*w.dst[0]*w.dst[1]+b.dst:]
			u.deinterleave(w.turn, min(lanes, w.outputs-o), b.dstPixels, pixels, dst, w.dst[0]*w.dst[1])
		}
	}
}

// interleave makes vectors of n channels, one for each pixel and one of zeros
// behind them, of channels that are step apart in src. Where channels are
// missing in a vector there are zeros.
func (u *micro) interleave(n, pixels int, src []float32, step int, dst []float32) {
	lanes := u.lanes
	clear(dst[pixels*lanes:][:lanes])
	if n == lanes && u.transpose != nil && pixels >= lanes {
		_ = src[(n-1)*step+pixels-1]
		u.transpose(pixels/lanes, &src[0], step, lanes, &dst[0], lanes, lanes*lanes)
		if last := pixels - lanes; pixels%lanes != 0 {
			u.transpose(1, &src[last], step, 0, &dst[last*lanes], lanes, 0)
		}
		return
	}
	if n < lanes {
		clear(dst[:pixels*lanes])
	}
	transposeGeneric(n, pixels, src, step, dst, lanes)
}

// deinterleave is the inverse of interleave. turn is u.transpose or u.stream.
func (u *micro) deinterleave(turn transposeFunc, n, pixels int, src, dst []float32, step int) {
	lanes := u.lanes
	if n == lanes && u.transpose != nil && pixels >= lanes {
		_ = dst[(n-1)*step+pixels-1]
		turn(pixels/lanes, &src[0], lanes, lanes*lanes, &dst[0], step, lanes)
		if last := pixels - lanes; pixels%lanes != 0 {
			u.transpose(1, &src[last*lanes], lanes, 0, &dst[last], step, 0)
		}
		return
	}
	for c := range n {
		to := dst[c*step:][:pixels]
		for q := range to {
			to[q] = src[q*lanes+c]
		}
	}
}
