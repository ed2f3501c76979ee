package vision

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// stochastic holds the arguments of the loops of stochastic pooling, over planes.
type stochastic struct {
	g      *kernel.PoolParams
	x, y   []float32
	mask   []int32
	dy, dx []float32
}

// A poolWindow is a window of a plane: its rows and columns in the image, none if it is
// outside.
type poolWindow struct{ top, bottom, left, right int }

// planesPerPart is the number of planes in one part of a loop.
func planesPerPart(g *kernel.PoolParams) int {
	return max(1, 1<<14/max(1, g.OutH*g.OutW*g.KernelH*g.KernelW))
}

// window returns window i of a plane. There is no padding.
func (a *stochastic) window(i int) poolWindow {
	top, left := i/a.g.OutW*a.g.StrideH, i%a.g.OutW*a.g.StrideW
	return poolWindow{top, min(top+a.g.KernelH, a.g.H), left, min(left+a.g.KernelW, a.g.W)}
}

// sums returns the sum of the elements of a window of the plane x, and of their squares.
func (a *stochastic) sums(w poolWindow, x []float32) (sum, squares float32) {
	for h := w.top; h < w.bottom; h++ {
		for c := w.left; c < w.right; c++ {
			v := x[h*a.g.W+c]
			sum += v
			squares += float32(v * v)
		}
	}
	return sum, squares
}

// plane returns the elements of plane i, of x and of y.
func (a *stochastic) plane(i int) (fromX, toX, fromY, toY int) {
	sizeX, sizeY := a.g.H*a.g.W, a.g.OutH*a.g.OutW
	return i * sizeX, (i + 1) * sizeX, i * sizeY, (i + 1) * sizeY
}

// drawLoop samples an element of each window with a probability proportional to the
// element. y holds uniform random numbers from 0 to 1 and receives the samples.
var drawLoop = parallel.Loop[stochastic]{Body: func(a *stochastic, _, from, to int) {
	for p := from; p < to; p++ {
		fromX, toX, fromY, toY := a.plane(p)
		x, y, mask := a.x[fromX:toX], a.y[fromY:toY], a.mask[fromY:toY]
		for i := range y {
			w := a.window(i)
			sum, _ := a.sums(w, x)
			mask[i] = a.draw(w, x, y[i]*sum)
			y[i] = 0
			if mask[i] >= 0 {
				y[i] = x[mask[i]]
			}
		}
	}
}}

// draw returns the first position at which the running sum of a window's elements
// reaches the limit, or else the last position; -1 if there is none.
func (a *stochastic) draw(w poolWindow, x []float32, limit float32) int32 {
	at, sum := int32(-1), float32(0)
	for h := w.top; h < w.bottom; h++ {
		for c := w.left; c < w.right; c++ {
			at = int32(h*a.g.W + c)
			if sum += x[at]; sum >= limit {
				return at
			}
		}
	}
	return at
}

// weighLoop sets y to the mean of each window's elements weighted by themselves; 0 if
// their sum is not positive.
var weighLoop = parallel.Loop[stochastic]{Body: func(a *stochastic, _, from, to int) {
	for p := from; p < to; p++ {
		fromX, toX, fromY, toY := a.plane(p)
		y := a.y[fromY:toY]
		for i := range y {
			sum, squares := a.sums(a.window(i), a.x[fromX:toX])
			y[i] = 0
			if sum > 0 {
				y[i] = squares / sum
			}
		}
	}
}}

// weighBackLoop computes the gradient of weighLoop: (2x - y)/sum for each window.
var weighBackLoop = parallel.Loop[stochastic]{Body: func(a *stochastic, _, from, to int) {
	for p := from; p < to; p++ {
		fromX, toX, fromY, toY := a.plane(p)
		x, y, dy, dx := a.x[fromX:toX], a.y[fromY:toY], a.dy[fromY:toY], a.dx[fromX:toX]
		clear(dx)
		for i := range y {
			w := a.window(i)
			sum, _ := a.sums(w, x)
			if !(sum > 0) {
				continue
			}
			for h := w.top; h < w.bottom; h++ {
				for c := w.left; c < w.right; c++ {
					at := h*a.g.W + c
					dx[at] += dy[i] * (2*x[at] - y[i]) / sum
				}
			}
		}
	}
}}
