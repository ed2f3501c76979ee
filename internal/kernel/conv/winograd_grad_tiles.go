package conv

import "github.com/gocaffe/gocaffe/internal/kernel/vec"

// transformSize returns the number of elements of scratch memory of transform.
func (t *winogradGrad) transformSize() int {
	return tmpSize + (t.tiling.maxPixels()+1)*t.micro.Lanes
}

// transform transforms the tiles of x or of dy of an image of a block, one of some blocks from
// first on that are multiplied together.
func (t *winogradGrad) transform(worker, first, blocks, block, image int, dy bool, tiles []float32) {
	w := t.tiling
	n := block/w.bands*w.images + image
	if n >= w.batch {
		return // the last block has fewer
	}
	band := block % w.bands
	at := t.place(first, blocks, block, image)
	buf := t.pool.Scratch(worker, t.transformSize())
	tmp, pixels := buf[:tmpSize], buf[tmpSize:]
	if dy {
		t.transformGrad(n, band, at, tiles[w.matrices()*t.xSlot:], pixels, &tmp[0])
	} else {
		t.transformInput(n, band, at, tiles, pixels, &tmp[0])
	}
}

// place returns where the tiles of each class of an image of a block are, among those of some
// blocks from first on.
func (t *winogradGrad) place(first, blocks, block, image int) counts {
	w := t.tiling
	from, to := first, first+blocks
	if t.sortsBlocks() {
		from, to = block, block+1
	}
	before := w.between(first, from)
	at, all := w.between(from, block), w.between(from, to)
	for class, n := range w.band[block%w.bands].counts {
		at[class] += before.before(classes) + all.before(class) + image*n
	}
	return at
}

// sortsBlocks reports whether the tiles of each block are in the order of their classes, and
// not those of all blocks that are multiplied together. With pieces of a chunk, of any
// number of blocks, the order of the sums is the same.
func (t *winogradGrad) sortsBlocks() bool {
	return t.ownSums() && t.tiling.algorithm != f2x2of5x5
}

// transformInput transforms a band of image n of x to the tiles at the given places.
func (t *winogradGrad) transformInput(n, band int, at counts, xs, pixels []float32, tmp *float32) {
	w, u, b := t.tiling, t.micro, &t.tiling.band[band]
	plane := w.src[0] * w.src[1]
	for c := 0; c < w.channels; c += u.Lanes {
		src := t.x[((n*w.groups+t.group)*w.channels+c)*plane+b.src:]
		interleave(u, min(u.Lanes, w.channels-c), b.srcPixels, src, plane, pixels)
		t.inputMap.Apply(t.group, c, pixels[:b.srcPixels*u.Lanes])
		j, _, width := t.panel(c / u.Panel())
		for class, tiles := range b.counts {
			if tiles > 0 {
				t.transforms.input(tiles, w.inTable(b, class), &pixels[0], &xs[j*t.maxTiles+at[class]*width+c-j], width, t.xSlot, tmp)
			}
		}
	}
}

// transformGrad does the same for dy, and sums its planes for the gradient of the
// bias.
func (t *winogradGrad) transformGrad(n, band int, at counts, dys, pixels []float32, tmp *float32) {
	w, u, b := t.tiling, t.micro, &t.tiling.band[band]
	plane := w.dst[0] * w.dst[1]
	for o := 0; o < w.outputs; o += u.Lanes {
		src := t.dy[((n*w.groups+t.group)*w.outputs+o)*plane+b.dst:]
		outputs := min(u.Lanes, w.outputs-o)
		interleave(u, outputs, b.dstPixels, src, plane, pixels)
		for i := 0; t.dbias != nil && i < outputs; i++ {
			t.dySums[(n*w.bands+band)*w.outputs+o+i] = vec.Sum(src[i*plane:][:b.dstPixels])
		}
		for class, tiles := range b.counts {
			if tiles > 0 {
				t.transforms.grad(tiles, w.outTable(b, class), &pixels[0], &dys[at[class]*t.depth+o], t.depth, t.dySlot, tmp)
			}
		}
	}
}
