package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

// Local response normalization, as Caffe's lrn_layer.cpp does it:
//
//	y = x·s^-beta, s = k + alpha·m
//	dx = dy·s^-beta - 2·alpha·beta·x · (the mean of dy·x·s^(-beta-1) over the
//	     windows that x is in)
//
// where m is the mean of the squares in x's window. The window is size channels
// from that (size-1)/2 before on, or a square in the channel; what is outside
// of the blob counts as 0. Backward computes s anew, which takes less time
// than reading it from memory.

type lrnArgs struct {
	x, y, dy, dx   []float32
	c, s, size     int
	alpha, beta, k float32 // alpha over the number of numbers in a window
	chunks         int     // of columns in an item
	g              PoolParams
	pool           *Pool
}

// forward sets y. m times alpha is what is added to k.
func (a *lrnArgs) forward(y, x, m []float32) {
	if a.beta == 0.75 { // as in every known net
		vec().lrnForward(y, x, m, a.alpha, a.k)
		return
	}
	for i := range y {
		y[i] = x[i] * float32(math.Pow(float64(a.k+float32(a.alpha*m[i])), -float64(a.beta)))
	}
}

// gradient sets dx to dy·s^-beta and r to dy·x·s^(-beta-1).
func (a *lrnArgs) gradient(dx, r, dy, x, m []float32) {
	if a.beta == 0.75 {
		vec().lrnGradient(dx, r, dy, x, m, a.alpha, a.k)
		return
	}
	for i := range dx {
		s := float64(a.k + float32(a.alpha*m[i]))
		d := dy[i] * float32(math.Pow(s, -float64(a.beta)))
		r[i] = d * x[i] / float32(s)
		dx[i] = d
	}
}

// lrnColumns is the number of columns that one part works on: the rows of so
// many numbers of a window stay in the first-level cache.
const lrnColumns = 512

// LRNForward sets y to the normalized x, across the channels of n items of c
// channels of s numbers.
func LRNForward(p *Pool, x, y []float32, n, c, s, size int, alpha, beta, k float32) {
	channelCheck("LRNForward", n, c, s, x, y)
	lrnRun(p, &lrnForwardJob, n, lrnArgs{x: x, y: y, c: c, s: s, size: size, alpha: alpha / float32(size), beta: beta, k: k})
}

// LRNBackward sets dx to the gradient of LRNForward. It is neither x nor dy.
func LRNBackward(p *Pool, x, dy, dx []float32, n, c, s, size int, alpha, beta, k float32) {
	channelCheck("LRNBackward", n, c, s, x, dy, dx)
	lrnRun(p, &lrnBackwardJob, n, lrnArgs{x: x, dy: dy, dx: dx, c: c, s: s, size: size, alpha: alpha / float32(size), beta: beta, k: k})
}

func lrnRun(p *Pool, j *parallel.Loop[lrnArgs], n int, a lrnArgs) {
	if n == 0 || a.c == 0 || a.s == 0 {
		return
	}
	a.pool = p
	a.chunks = (a.s + lrnColumns - 1) / lrnColumns
	j.Run(p, n*a.chunks, 1, a)
}

// columns returns the index of the first number of part i and the number of its
// columns.
func (a *lrnArgs) columns(i int) (first, n int) {
	item, lo := i/a.chunks, i%a.chunks*lrnColumns
	return item*a.c*a.s + lo, min(lrnColumns, a.s-lo)
}

// squares sets m to the sum of the squares in the windows of channel ch, for the
// columns from x[first] on.
func (a *lrnArgs) squares(m []float32, first, ch int) {
	before := (a.size - 1) / 2 // channels of the window before its own
	lo, hi := max(0, ch-before), min(a.c, ch-before+a.size)
	vec().sumSqRows(m, a.x[first+lo*a.s:], a.s, hi-lo)
}

var lrnForwardJob = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	buf := a.pool.Scratch(worker, lrnColumns)
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		for ch := range a.c {
			at := first + ch*a.s
			if ch+1 < a.c {
				vec().prefetch(a.y[at+a.s:][:n])
			}
			a.squares(buf[:n], first, ch)
			a.forward(a.y[at:at+n], a.x[at:at+n], buf[:n])
		}
	}
}}

var lrnBackwardJob = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	before := a.size / 2 // channels whose windows reach forward to this one
	ring := min(a.size, a.c)
	buf := a.pool.Scratch(worker, (ring+1)*lrnColumns)
	sum := buf[ring*lrnColumns:]
	// row is where the ring has the ratios dy·x·s^(-beta-1) of a channel. The
	// ring's other rows are 0.
	row := func(ch, n int) []float32 { return buf[ch%ring*lrnColumns:][:n] }
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		clear(buf)
		known := 0 // channels whose ratios are, or were, in the ring
		for ch := range a.c {
			if left := ch - before - 1; left >= 0 {
				clear(row(left, n))
			}
			for ; known < min(a.c, ch-before+a.size); known++ {
				at := first + known*a.s
				if known+1 < a.c {
					vec().prefetch(a.dy[at+a.s:][:n])
					vec().prefetch(a.dx[at+a.s:][:n])
				}
				a.squares(sum[:n], first, known)
				a.gradient(a.dx[at:at+n], row(known, n), a.dy[at:at+n], a.x[at:at+n], sum[:n])
			}
			vec().sumRows(sum[:n], buf, lrnColumns, ring)
			at := first + ch*a.s
			vec().mulAxpy(-2*a.alpha*a.beta, sum[:n], a.x[at:at+n], a.dx[at:at+n])
		}
	}
}}

// LRNWithinForward sets y to the normalized x, by squares of size·size numbers
// in each of so many planes of h·w. size is odd, and k is 1.
func LRNWithinForward(p *Pool, x, y []float32, planes, h, w, size int, alpha, beta float32) {
	channelCheck("LRNWithinForward", planes, h, w, x, y)
	lrnWithin(p, &lrnWithinForwardJob, planes, h, w, size, lrnArgs{x: x, y: y, alpha: alpha, beta: beta})
}

// LRNWithinBackward sets dx to the gradient of LRNWithinForward. It is neither x
// nor dy.
func LRNWithinBackward(p *Pool, x, dy, dx []float32, planes, h, w, size int, alpha, beta float32) {
	channelCheck("LRNWithinBackward", planes, h, w, x, dy, dx)
	lrnWithin(p, &lrnWithinBackwardJob, planes, h, w, size, lrnArgs{x: x, dy: dy, dx: dx, alpha: alpha, beta: beta})
}

// lrnWithin runs a job on planes. The means over the windows are those of a
// pooling whose windows are all of one size in the padded image, so that its
// gradient is the pooling itself.
func lrnWithin(p *Pool, j *parallel.Loop[lrnArgs], planes, h, w, size int, a lrnArgs) {
	pad := (size - 1) / 2
	a.pool, a.size, a.k = p, size, 1
	a.s = h * w
	a.g = PoolParams{Planes: 1, H: h, W: w, OutH: h, OutW: w, KernelH: size, KernelW: size, PadH: pad, PadW: pad, StrideH: 1, StrideW: 1}
	j.Run(p, planes, planesPerPart(a.s), a)
}

// by3 tells whether there is a loop of its own for the windows, as in CIFAR-10's
// nets.
func (a *lrnArgs) by3() bool { return a.size == 3 && a.beta == 0.75 && vec().lrnWithin3 != nil }

var lrnWithinForwardJob = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	fast := a.g.fast()
	buf := a.pool.Scratch(worker, 2*a.s)
	work, mean := buf[:a.s], buf[a.s:]
	for i := lo; i < hi; i++ {
		x, y := a.x[i*a.s:(i+1)*a.s], a.y[i*a.s:(i+1)*a.s]
		if a.by3() {
			vec().lrnWithin3(y, x, a.g.H, a.g.W, a.alpha/9, a.k)
			continue
		}
		vec().mul(work, x, x)
		avePoolPlane(&a.g, fast, work, mean)
		a.forward(y, x, mean)
	}
}}

var lrnWithinBackwardJob = parallel.Loop[lrnArgs]{Body: func(a *lrnArgs, worker, lo, hi int) {
	fast := a.g.fast()
	buf := a.pool.Scratch(worker, 2*a.s)
	work, mean := buf[:a.s], buf[a.s:]
	for i := lo; i < hi; i++ {
		x, dy, dx := a.x[i*a.s:(i+1)*a.s], a.dy[i*a.s:(i+1)*a.s], a.dx[i*a.s:(i+1)*a.s]
		if a.by3() {
			vec().lrnWithin3Gradient(dx, work, dy, x, a.g.H, a.g.W, a.alpha/9, a.k)
			vec().lrnWithin3Spread(dx, x, work, a.g.H, a.g.W, -2*a.alpha*a.beta/9)
			continue
		}
		vec().mul(work, x, x)
		avePoolPlane(&a.g, fast, work, mean)
		a.gradient(dx, work, dy, x, mean)
		avePoolPlane(&a.g, fast, work, mean)
		vec().mulAxpy(-2*a.alpha*a.beta, mean, x, dx)
	}
}}
