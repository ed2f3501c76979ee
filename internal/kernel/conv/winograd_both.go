package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// bothSize is the approximate number of elements of dy of which winogradBoth computes both
// gradients at a time: 1 MiB, which is in a cache when they are read again. The sums and the
// transformed weights are as large, and come to the second cache once for each. Tests set it.
var bothSize = 256 << 10

// winogradBoth computes the gradients of the weights and of the data by Winograd's algorithm, and
// before them the items of dy that a normalization has left, some images at a time. So these
// three steps read dy from memory once. The results are those of one after the other, to the
// last bit.
type winogradBoth struct {
	weights *winogradGrad
	data    *winogradProduct
	left    *norm.ItemGrad
	step    int // blocks
}

// TakesGrad reports whether Backward, on so many threads, computes the items of dy that a
// normalization has left when it reads them, so that they come from memory once: in Winograd's
// algorithm, if the parts of the gradient of the weights have their own images, which the threads
// share evenly, and dy is larger than the caches.
func (c *Conv) TakesGrad(threads int) bool {
	w := c.winograd
	if w == nil || c.rounded.plan() || c.Group > 1 || c.Batch*c.Outputs*c.outSize < streamSize {
		return false
	}
	if parts := w.weights.parts; parts == 1 || parts%max(1, threads) != 0 && parts < 4*threads {
		return false
	}
	w.data.share(threads)
	of := w.weights.tiling
	return of.bands == 1 && w.data.bands == 1 && of.images == w.data.images
}

// LeaveGrad sets what a normalization leaves of dy, nil for nothing. Each method that reads dy
// computes it first.
func (c *Conv) LeaveGrad(left *norm.ItemGrad) { c.left = left }

// both computes both gradients.
func (w *winograd) both(op parallel.Op, x, weight, dy, dweight, dbias, dx []float32, left *norm.ItemGrad) {
	t := &w.bothTask
	t.weights, t.data, t.left = w.weights, w.data, left
	w.data.set(op, dy, weight, nil, dx, epilogue{})
	w.weights.set(op, x, dy, dweight, dbias)
	n := w.data.layOut()
	shared := op.Workspace(n + w.weights.sharedSize())
	w.data.packAll(shared[:n])
	of := w.weights.tiling
	t.step = gemm.RoundUp(max(1, bothSize/(of.images*of.outputs*of.dst[0]*of.dst[1])), w.weights.piece)
	w.weights.both = t
	defer func() { w.weights.both = nil }() // after a panic too: BackwardWeights computes one gradient
	w.weights.compute(shared[n:])
	w.weights.unset()
	w.data.unset()
	left.Clear()
	t.left = nil
}

// part computes the blocks from start to end-1.
func (t *winogradBoth) part(worker, start, end int, sums []float32) {
	images, batch := t.data.images, t.data.batch
	for first := start; first < end; first += t.step {
		to := min(first+t.step, end)
		t.left.Items(first*images, min(to*images, batch))
		t.weights.sumBlocks(worker, start, first, to, sums)
		for block := first; block < to; block++ {
			t.data.compute(worker, 0, block)
		}
	}
}
