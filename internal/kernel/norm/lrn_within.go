package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/pool"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

type lrnWithinArgs struct {
	lrnFormula   // with the mean over the window
	x, y, dy, dx []float32
	windows      pool.Params // of a plane
	pool         *parallel.Pool
}

// LRNWithinForward sets y to the normalized x, by squares of (size,size) in each
// plane of (planes,h,w). size is odd, and k is 1.
func LRNWithinForward(p *parallel.Pool, planes, h, w, size int, alpha, beta float32, x, y []float32) {
	checkBlobs("LRNWithinForward", planes, h, w, x, y)
	runLRNWithin(p, &lrnWithinForward, planes, h, w, size, lrnWithinArgs{lrnFormula: lrnFormula{alpha, beta, 1}, x: x, y: y})
}

// LRNWithinBackward sets dx, which is neither x nor dy, to the gradient of
// LRNWithinForward.
func LRNWithinBackward(p *parallel.Pool, planes, h, w, size int, alpha, beta float32, x, dy, dx []float32) {
	checkBlobs("LRNWithinBackward", planes, h, w, x, dy, dx)
	runLRNWithin(p, &lrnWithinBackward, planes, h, w, size, lrnWithinArgs{lrnFormula: lrnFormula{alpha, beta, 1}, x: x, dy: dy, dx: dx})
}

// runLRNWithin runs a loop over planes. Average pooling computes the means over the
// windows. All windows have the same size in the padded image, so its gradient is the
// pooling itself.
func runLRNWithin(p *parallel.Pool, loop *parallel.Loop[lrnWithinArgs], planes, h, w, size int, a lrnWithinArgs) {
	if planes == 0 || h == 0 || w == 0 {
		return
	}
	pad := (size - 1) / 2
	a.windows = pool.Params{Planes: 1, H: h, W: w, OutH: h, OutW: w, KernelH: size, KernelW: size, PadH: pad, PadW: pad, StrideH: 1, StrideW: 1}
	a.pool = p
	loop.Run(p, planes, planesPerPart(h*w), a)
}

// special reports whether there are loops for these windows, which CIFAR-10's nets use.
func (a *lrnWithinArgs) special() bool {
	return a.windows.KernelH == 3 && a.beta == 0.75 && active().lrnWithin3 != nil
}

var lrnWithinForward = parallel.Loop[lrnWithinArgs]{Body: func(a *lrnWithinArgs, worker, lo, hi int) {
	h, w := a.windows.H, a.windows.W
	s := h * w
	buf := a.pool.Scratch(worker, 2*s)
	squares, mean := buf[:s], buf[s:]
	for i := lo; i < hi; i++ {
		x, y := a.x[i*s:(i+1)*s], a.y[i*s:(i+1)*s]
		if a.special() {
			active().lrnWithin3(y, x, h, w, a.alpha/9, a.k)
			continue
		}
		vec.Mul(x, x, squares)
		pool.AvePlane(&a.windows, squares, mean)
		a.forward(x, mean, y)
	}
}}

var lrnWithinBackward = parallel.Loop[lrnWithinArgs]{Body: func(a *lrnWithinArgs, worker, lo, hi int) {
	h, w := a.windows.H, a.windows.W
	s := h * w
	buf := a.pool.Scratch(worker, 2*s)
	work, mean := buf[:s], buf[s:] // work: first the squares, then the ratios
	for i := lo; i < hi; i++ {
		x, dy, dx := a.x[i*s:(i+1)*s], a.dy[i*s:(i+1)*s], a.dx[i*s:(i+1)*s]
		if a.special() {
			active().lrnWithin3Grad(dx, work, dy, x, h, w, a.alpha/9, a.k)
			active().lrnWithin3Spread(dx, x, work, h, w, -2*a.alpha*a.beta/9)
			continue
		}
		vec.Mul(x, x, work)
		pool.AvePlane(&a.windows, work, mean)
		a.backward(x, mean, dy, dx, work)
		pool.AvePlane(&a.windows, work, mean)
		active().mulAxpy(-2*a.alpha*a.beta, mean, x, dx)
	}
}}
