package kernel

import "math"

// Local response normalization across channels, as Caffe's lrn_layer.cpp does
// it, over n items of c channels of s numbers. The window of channel ch is of
// size channels from ch-(size-1)/2 on; channels outside the blob count as 0.

// lrnColumns is the number of columns that one part works on: a window's rows
// of so many numbers stay in the first-level cache.
const lrnColumns = 1024

type lrnArgs struct {
	x, y, scale, dy, dx []float32
	c, s, size          int
	alpha, beta, k      float32 // alpha over the size
	chunks              int     // of columns in an item
	pool                *Pool
}

// LRNForward sets scale to k + alpha/size·Σ x² over the window, and y to
// x·scale^-beta. LRNBackward needs scale.
func LRNForward(p *Pool, x, scale, y []float32, n, c, s, size int, alpha, beta, k float32) {
	channelCheck("LRNForward", n, c, s, x, scale, y)
	lrnRun(p, &lrnForwardJob, n, lrnArgs{x: x, scale: scale, y: y, c: c, s: s,
		size: size, alpha: alpha / float32(size), beta: beta, k: k})
}

// LRNBackward sets dx to the gradient of LRNForward:
//
//	dx = dy·scale^-beta - 2·alpha·beta/size · x · Σ dy·y/scale
//
// with the sum over the channels whose windows x is in. dx is none of the
// others.
func LRNBackward(p *Pool, x, y, scale, dy, dx []float32, n, c, s, size int, alpha, beta float32) {
	channelCheck("LRNBackward", n, c, s, x, y, scale, dy, dx)
	lrnRun(p, &lrnBackwardJob, n, lrnArgs{x: x, y: y, scale: scale, dy: dy, dx: dx, c: c, s: s,
		size: size, alpha: alpha / float32(size), beta: beta})
}

func lrnRun(p *Pool, j *job[lrnArgs], n int, a lrnArgs) {
	if n == 0 || a.c == 0 || a.s == 0 {
		return
	}
	a.pool = p
	a.chunks = (a.s + lrnColumns - 1) / lrnColumns
	j.run(p, n*a.chunks, 1, a)
}

// columns returns the index of the first number of part i and the number of its
// columns.
func (a *lrnArgs) columns(i int) (first, n int) {
	item, lo := i/a.chunks, i%a.chunks*lrnColumns
	return item*a.c*a.s + lo, min(lrnColumns, a.s-lo)
}

var lrnForwardJob = job[lrnArgs]{f: func(a *lrnArgs, _, lo, hi int) {
	before := (a.size - 1) / 2 // channels of the window before its own
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		for ch := range a.c {
			at := first + ch*a.s
			scale := a.scale[at : at+n]
			vec().fill(scale, a.k)
			for w := max(0, ch-before); w < min(a.c, ch-before+a.size); w++ {
				vec().sqAxpy(a.alpha, a.x[first+w*a.s:][:n], scale)
			}
			lrnPow(a.y[at:at+n], a.x[at:at+n], scale, a.beta)
		}
	}
}}

var lrnBackwardJob = job[lrnArgs]{f: func(a *lrnArgs, worker, lo, hi int) {
	before := a.size / 2 // channels whose windows reach forward to this one
	ring := min(a.size, a.c)
	buf := a.pool.buffer(worker, (ring+1)*lrnColumns)
	sum := buf[ring*lrnColumns:]
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		known := 0 // channels whose dy·y/scale is, or was, in the ring
		for ch := range a.c {
			end := min(a.c, ch-before+a.size)
			for ; known < end; known++ {
				at := first + known*a.s
				vec().lrnRatio(buf[known%ring*lrnColumns:][:n], a.dy[at:at+n], a.y[at:at+n], a.scale[at:at+n])
			}
			vec().fill(sum[:n], 0)
			for w := max(0, ch-before); w < end; w++ {
				vec().add(sum[:n], sum[:n], buf[w%ring*lrnColumns:][:n])
			}
			at := first + ch*a.s
			dx := a.dx[at : at+n]
			lrnPow(dx, a.dy[at:at+n], a.scale[at:at+n], a.beta)
			vec().mul(sum[:n], sum[:n], a.x[at:at+n])
			vec().axpy(-2*a.alpha*a.beta, sum[:n], dx)
		}
	}
}}

// lrnPow sets dst to x·scale^-beta. Every known net has beta 0.75, for which
// two square roots do.
func lrnPow(dst, x, scale []float32, beta float32) {
	if beta == 0.75 {
		vec().lrnPow75(dst, x, scale)
		return
	}
	for i := range dst {
		dst[i] = x[i] * float32(math.Pow(float64(scale[i]), -float64(beta)))
	}
}
