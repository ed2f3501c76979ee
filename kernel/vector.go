package kernel

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// block is the number of elements that one part of an element-wise function
// works on: 64 KB a slice, so that handing out a part (under a microsecond)
// costs little and its data stay in the second-level cache.
const block = 16 << 10

// direct reports whether the calling goroutine computes n elements by itself,
// without going through the pool.
func direct(p *parallel.Pool, n int) bool { return n <= block || p.Threads() == 1 }

// check panics if a slice of function fn has fewer elements than wanted.
func check(fn string, got, want int) {
	if got < want {
		short(fn, got, want)
	}
}

func short(fn string, got, want int) {
	panic(fmt.Sprintf("kernel: %s: slice of %d, want %d", fn, got, want))
}

// vectors are the arguments of a loop over the elements of vectors.
type vectors struct {
	a, b, y     []float32
	alpha, beta float32
	sums        []float64 // of a reduction: one of each block
}

type vectorLoop = parallel.Loop[vectors]

var (
	fillLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Fill(v.y[i:j], v.alpha) }}
	copyLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { copy(v.y[i:j], v.a[i:j]) }}
	axpyLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Axpy(v.alpha, v.a[i:j], v.y[i:j]) }}
	axpbyLoop      = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Axpby(v.alpha, v.a[i:j], v.beta, v.y[i:j]) }}
	scaleLoop      = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Scale(v.alpha, v.a[i:j], v.y[i:j]) }}
	addScalarLoop  = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.AddScalar(v.y[i:j], v.a[i:j], v.alpha) }}
	scaleShiftLoop = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.ScaleShift(v.y[i:j], v.a[i:j], v.alpha, v.beta) }}
	addLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Add(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	subLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Sub(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	mulLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Mul(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	divLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Div(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	expLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Exp(v.y[i:j], v.a[i:j]) }}
	sigmoidLoop    = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.Sigmoid(v.y[i:j], v.a[i:j]) }}
	tanhLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.TanH(v.y[i:j], v.a[i:j]) }}
	reluLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { kernel.ReLU(v.y[i:j], v.a[i:j], v.alpha) }}
	reluBackLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) {
		kernel.ReLUGrad(v.y[i:j], v.a[i:j], v.b[i:j], v.alpha)
	}}
)

// Fill sets every element of y to alpha.
func Fill(p *parallel.Pool, alpha float32, y []float32) {
	if direct(p, len(y)) {
		kernel.Fill(y, alpha)
		return
	}
	fillLoop.Run(p, len(y), block, vectors{alpha: alpha, y: y})
}

// Copy copies the first len(y) elements of x to y.
func Copy(p *parallel.Pool, x, y []float32) {
	check("Copy", len(x), len(y))
	if direct(p, len(y)) {
		copy(y, x)
		return
	}
	copyLoop.Run(p, len(y), block, vectors{a: x, y: y})
}

// Axpy adds alpha x to y.
func Axpy(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		kernel.Axpy(alpha, x, y)
		return
	}
	check("Axpy", len(x), len(y))
	axpyLoop.Run(p, len(y), block, vectors{alpha: alpha, a: x, y: y})
}

// Axpby sets y to alpha x + beta y.
func Axpby(p *parallel.Pool, alpha float32, x []float32, beta float32, y []float32) {
	if direct(p, len(y)) {
		kernel.Axpby(alpha, x, beta, y)
		return
	}
	check("Axpby", len(x), len(y))
	axpbyLoop.Run(p, len(y), block, vectors{alpha: alpha, a: x, beta: beta, y: y})
}

// Scale sets y to alpha x. y may be x.
func Scale(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		kernel.Scale(alpha, x, y)
		return
	}
	check("Scale", len(x), len(y))
	scaleLoop.Run(p, len(y), block, vectors{alpha: alpha, a: x, y: y})
}

// AddScalar sets y to x + alpha. y may be x.
func AddScalar(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		kernel.AddScalar(y, x, alpha)
		return
	}
	check("AddScalar", len(x), len(y))
	addScalarLoop.Run(p, len(y), block, vectors{alpha: alpha, a: x, y: y})
}

// ScaleShift sets y to alpha x + beta. y may be x.
func ScaleShift(p *parallel.Pool, alpha, beta float32, x, y []float32) {
	if direct(p, len(y)) {
		kernel.ScaleShift(y, x, alpha, beta)
		return
	}
	check("ScaleShift", len(x), len(y))
	scaleShiftLoop.Run(p, len(y), block, vectors{alpha: alpha, beta: beta, a: x, y: y})
}

// Add sets y to a + b. y may be a or b.
func Add(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		kernel.Add(y, a, b)
		return
	}
	check("Add", min(len(a), len(b)), len(y))
	addLoop.Run(p, len(y), block, vectors{a: a, b: b, y: y})
}

// Sub sets y to a - b. y may be a or b.
func Sub(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		kernel.Sub(y, a, b)
		return
	}
	check("Sub", min(len(a), len(b)), len(y))
	subLoop.Run(p, len(y), block, vectors{a: a, b: b, y: y})
}

// Mul sets y to a b, element by element. y may be a or b.
func Mul(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		kernel.Mul(y, a, b)
		return
	}
	check("Mul", min(len(a), len(b)), len(y))
	mulLoop.Run(p, len(y), block, vectors{a: a, b: b, y: y})
}

// Div sets y to a / b, element by element. y may be a or b.
func Div(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		kernel.Div(y, a, b)
		return
	}
	check("Div", min(len(a), len(b)), len(y))
	divLoop.Run(p, len(y), block, vectors{a: a, b: b, y: y})
}

// Exp sets y to e to the power of x, with an error of at most 2 units in the
// last place. y may be x.
func Exp(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		kernel.Exp(y, x)
		return
	}
	check("Exp", len(x), len(y))
	expLoop.Run(p, len(y), block, vectors{a: x, y: y})
}

// Sigmoid sets y to 1/(1 + exp(-x)), computed as ½ tanh(½x) + ½ like Caffe's
// sigmoid_layer.cpp: the error is absolute, so far below zero y is 0. y may be x.
func Sigmoid(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		kernel.Sigmoid(y, x)
		return
	}
	check("Sigmoid", len(x), len(y))
	sigmoidLoop.Run(p, len(y), block, vectors{a: x, y: y})
}

// TanH sets y to the hyperbolic tangent of x, with an error of at most 2 units
// in the last place. y may be x.
func TanH(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		kernel.TanH(y, x)
		return
	}
	check("TanH", len(x), len(y))
	tanhLoop.Run(p, len(y), block, vectors{a: x, y: y})
}

// ReLU sets y to x where x > 0 and to slope x elsewhere, as Caffe's
// relu_layer.cpp does. y may be x.
func ReLU(p *parallel.Pool, slope float32, x, y []float32) {
	if direct(p, len(y)) {
		kernel.ReLU(y, x, slope)
		return
	}
	check("ReLU", len(x), len(y))
	reluLoop.Run(p, len(y), block, vectors{alpha: slope, a: x, y: y})
}

// ReLUBackward sets dx to dy where x > 0 and to slope dy elsewhere, the gradient
// of ReLU. If slope is not negative, x may be the output of ReLU instead of its
// input. dx may be dy.
func ReLUBackward(p *parallel.Pool, slope float32, x, dy, dx []float32) {
	if direct(p, len(dx)) {
		kernel.ReLUGrad(dx, x, dy, slope)
		return
	}
	check("ReLUBackward", min(len(x), len(dy)), len(dx))
	reluBackLoop.Run(p, len(dx), block, vectors{alpha: slope, a: x, b: dy, y: dx})
}
