package norm

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// Local response normalization like Caffe's lrn_layer.cpp:
//
//	y = x·s^-beta, s = k + alpha·m
//	dx = dy·s^-beta - 2·alpha·beta·x · (the mean of dy·x·s^(-beta-1) over the
//	     windows that contain x)
//
// where m is the mean of the squares in x's window. The window is size channels,
// starting (size-1)/2 before that of x, or a square within the channel; elements
// outside the array count as 0. Backward computes s again, which takes less time than
// reading it from memory.

// lrnFormula is the formula with alpha divided by the number of elements in a window.
type lrnFormula struct{ alpha, beta, k float32 }

// forward computes y from m, with s = k + alpha·m.
func (f *lrnFormula) forward(x, m, y []float32) {
	if f.beta == 0.75 { // as in every known net
		active().lrnForward(y, x, m, f.alpha, f.k)
		return
	}
	for i := range y {
		y[i] = x[i] * float32(math.Pow(float64(f.k+float32(f.alpha*m[i])), -float64(f.beta)))
	}
}

// backward sets dx to dy·s^-beta and ratio to dy·x·s^(-beta-1).
func (f *lrnFormula) backward(x, m, dy, dx, ratio []float32) {
	if f.beta == 0.75 {
		active().lrnGrad(dx, ratio, dy, x, m, f.alpha, f.k)
		return
	}
	for i := range dx {
		s := float64(f.k + float32(f.alpha*m[i]))
		d := dy[i] * float32(math.Pow(s, -float64(f.beta)))
		ratio[i] = d * x[i] / float32(s)
		dx[i] = d
	}
}

type lrnArgs struct {
	lrnFormula
	c, s, size   int
	x, y, dy, dx []float32
	chunks       int // of columns in an item
	groups       int // of channels in a chunk
	pool         *parallel.Pool
}

// lrnColumns is the number of columns in a part: a window's rows of this length stay in
// the first-level cache.
const lrnColumns = 512

// LRNForward sets y to the normalized x, across the channels of (n,c,s).
func LRNForward(p *parallel.Pool, n, c, s, size int, alpha, beta, k float32, x, y []float32) {
	checkBlobs("LRNForward", n, c, s, x, y)
	a := lrnArgs{lrnFormula: lrnFormula{alpha / float32(size), beta, k}, c: c, s: s, size: size, x: x, y: y}
	// One channel does not need what was computed for the others, so that these can be cut too.
	if chunks := n * a.columnChunks(); 0 < chunks && chunks < enoughParts {
		a.groups = min((enoughParts+chunks-1)/chunks, c*min(s, lrnColumns)/vec.Block)
	}
	runLRN(p, &lrnForward, n, a)
}

// LRNBackward sets dx, which is neither x nor dy, to the gradient of LRNForward.
func LRNBackward(p *parallel.Pool, n, c, s, size int, alpha, beta, k float32, x, dy, dx []float32) {
	checkBlobs("LRNBackward", n, c, s, x, dy, dx)
	runLRN(p, &lrnBackward, n, lrnArgs{lrnFormula: lrnFormula{alpha / float32(size), beta, k}, c: c, s: s, size: size, x: x, dy: dy, dx: dx})
}

func runLRN(p *parallel.Pool, loop *parallel.Loop[lrnArgs], n int, a lrnArgs) {
	if n == 0 || a.c == 0 || a.s == 0 {
		return
	}
	a.pool = p
	a.chunks, a.groups = a.columnChunks(), max(1, a.groups)
	loop.Run(p, n*a.chunks*a.groups, 1, a)
}

// columnChunks returns the number of chunks of columns in an item.
func (a *lrnArgs) columnChunks() int { return (a.s + lrnColumns - 1) / lrnColumns }

// columns returns the index of the first element of chunk i, and the number of its
// columns.
func (a *lrnArgs) columns(i int) (first, n int) {
	item, lo := i/a.chunks, i%a.chunks*lrnColumns
	return item*a.c*a.s + lo, min(lrnColumns, a.s-lo)
}

// squares sets m to the sums of the squares in the windows of channel ch, for the
// columns from x[first] on.
func (a *lrnArgs) squares(first, ch int, m []float32) {
	before := (a.size - 1) / 2 // channels of the window before its own
	lo, hi := max(0, ch-before), min(a.c, ch-before+a.size)
	active().sumSqRows(m, a.x[first+lo*a.s:], a.s, hi-lo)
}

var lrnForward = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	sums := a.pool.Scratch(worker, lrnColumns)
	for i := lo; i < hi; i++ {
		first, n := a.columns(i / a.groups)
		group := i % a.groups
		end := (group + 1) * a.c / a.groups
		for ch := group * a.c / a.groups; ch < end; ch++ {
			at := first + ch*a.s
			if ch+1 < end {
				active().prefetch(a.y[at+a.s:][:n])
			}
			a.squares(first, ch, sums[:n])
			a.forward(a.x[at:at+n], sums[:n], a.y[at:at+n])
		}
	}
}}

var lrnBackward = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	before := a.size / 2 // channels whose windows reach forward to this one
	ring := min(a.size, a.c)
	buf := a.pool.Scratch(worker, (ring+1)*lrnColumns)
	sum := buf[ring*lrnColumns:]
	// row returns the row of the ring that holds the ratios of a channel. Rows
	// without a channel are 0.
	row := func(ch, n int) []float32 { return buf[ch%ring*lrnColumns:][:n] }
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		clear(buf)
		next := 0 // the first channel whose ratios have not been in the ring
		for ch := range a.c {
			if left := ch - before - 1; left >= 0 {
				clear(row(left, n))
			}
			for ; next < min(a.c, ch-before+a.size); next++ {
				at := first + next*a.s
				if next+1 < a.c {
					active().prefetch(a.dy[at+a.s:][:n])
					active().prefetch(a.dx[at+a.s:][:n])
				}
				a.squares(first, next, sum[:n])
				a.backward(a.x[at:at+n], sum[:n], a.dy[at:at+n], a.dx[at:at+n], row(next, n))
			}
			active().sumRows(sum[:n], buf, lrnColumns, ring)
			at := first + ch*a.s
			active().mulAxpy(-2*a.alpha*a.beta, sum[:n], a.x[at:at+n], a.dx[at:at+n])
		}
	}
}}
