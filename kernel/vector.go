package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// direct reports whether the calling goroutine computes n elements by itself,
// without going through the pool.
func direct(p *parallel.Pool, n int) bool { return n <= vec.Block || p.Threads() == 1 }

// vectors are the arguments of a loop over the elements of vectors.
type vectors struct {
	a, b, y     []float32
	alpha, beta float32
	sums        []float64 // of a reduction: one of each block
}

type vectorLoop = parallel.Loop[vectors]

var (
	fillLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Fill(v.alpha, v.y[i:j]) }}
	copyLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { copy(v.y[i:j], v.a[i:j]) }}
	axpyLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Axpy(v.alpha, v.a[i:j], v.y[i:j]) }}
	axpbyLoop      = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Axpby(v.alpha, v.a[i:j], v.beta, v.y[i:j]) }}
	scaleLoop      = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Scale(v.alpha, v.a[i:j], v.y[i:j]) }}
	addScalarLoop  = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.AddScalar(v.alpha, v.a[i:j], v.y[i:j]) }}
	scaleShiftLoop = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.ScaleShift(v.alpha, v.beta, v.a[i:j], v.y[i:j]) }}
	addLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Add(v.a[i:j], v.b[i:j], v.y[i:j]) }}
	subLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Sub(v.a[i:j], v.b[i:j], v.y[i:j]) }}
	mulLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Mul(v.a[i:j], v.b[i:j], v.y[i:j]) }}
	divLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Div(v.a[i:j], v.b[i:j], v.y[i:j]) }}
	expLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Exp(v.a[i:j], v.y[i:j]) }}
	logLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Log(v.a[i:j], v.y[i:j]) }}
	absLoop        = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Abs(v.a[i:j], v.y[i:j]) }}
	sigmoidLoop    = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Sigmoid(v.a[i:j], v.y[i:j]) }}
	tanhLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.TanH(v.a[i:j], v.y[i:j]) }}
	reluLoop       = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.ReLU(v.alpha, v.a[i:j], v.y[i:j]) }}
	reluBackLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) {
		vec.ReLUBackward(v.alpha, v.a[i:j], v.b[i:j], v.y[i:j])
	}}
)

// Fill sets every element of y to alpha.
func Fill(p *parallel.Pool, alpha float32, y []float32) {
	if direct(p, len(y)) {
		vec.Fill(alpha, y)
		return
	}
	fillLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, y: y})
}

// Copy copies the first len(y) elements of x to y.
func Copy(p *parallel.Pool, x, y []float32) {
	vec.Check("Copy", len(x), len(y))
	if direct(p, len(y)) {
		copy(y, x)
		return
	}
	copyLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// Axpy adds alpha x to y.
func Axpy(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.Axpy(alpha, x, y)
		return
	}
	vec.Check("Axpy", len(x), len(y))
	axpyLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, a: x, y: y})
}

// Axpby sets y to alpha x + beta y.
func Axpby(p *parallel.Pool, alpha float32, x []float32, beta float32, y []float32) {
	if direct(p, len(y)) {
		vec.Axpby(alpha, x, beta, y)
		return
	}
	vec.Check("Axpby", len(x), len(y))
	axpbyLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, a: x, beta: beta, y: y})
}

// Scale sets y to alpha x. y may be x.
func Scale(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.Scale(alpha, x, y)
		return
	}
	vec.Check("Scale", len(x), len(y))
	scaleLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, a: x, y: y})
}

// AddScalar sets y to x + alpha. y may be x.
func AddScalar(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.AddScalar(alpha, x, y)
		return
	}
	vec.Check("AddScalar", len(x), len(y))
	addScalarLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, a: x, y: y})
}

// ScaleShift sets y to alpha x + beta. y may be x.
func ScaleShift(p *parallel.Pool, alpha, beta float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.ScaleShift(alpha, beta, x, y)
		return
	}
	vec.Check("ScaleShift", len(x), len(y))
	scaleShiftLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, beta: beta, a: x, y: y})
}

// Add sets y to a + b. y may be a or b.
func Add(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		vec.Add(a, b, y)
		return
	}
	vec.Check("Add", min(len(a), len(b)), len(y))
	addLoop.Run(p, len(y), vec.Block, vectors{a: a, b: b, y: y})
}

// Sub sets y to a - b. y may be a or b.
func Sub(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		vec.Sub(a, b, y)
		return
	}
	vec.Check("Sub", min(len(a), len(b)), len(y))
	subLoop.Run(p, len(y), vec.Block, vectors{a: a, b: b, y: y})
}

// Mul sets y to a b, element by element. y may be a or b.
func Mul(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		vec.Mul(a, b, y)
		return
	}
	vec.Check("Mul", min(len(a), len(b)), len(y))
	mulLoop.Run(p, len(y), vec.Block, vectors{a: a, b: b, y: y})
}

// Div sets y to a / b, element by element. y may be a or b.
func Div(p *parallel.Pool, a, b, y []float32) {
	if direct(p, len(y)) {
		vec.Div(a, b, y)
		return
	}
	vec.Check("Div", min(len(a), len(b)), len(y))
	divLoop.Run(p, len(y), vec.Block, vectors{a: a, b: b, y: y})
}

// Exp sets y to e to the power of x, with an error of at most 2 units in the
// last place. y may be x.
func Exp(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.Exp(x, y)
		return
	}
	vec.Check("Exp", len(x), len(y))
	expLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// Log sets y to the natural logarithm of x, with an error of at most 2 units in
// the last place: -Inf for 0, NaN below. y may be x.
func Log(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.Log(x, y)
		return
	}
	vec.Check("Log", len(x), len(y))
	logLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// Abs sets y to the absolute value of x. y may be x.
func Abs(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.Abs(x, y)
		return
	}
	vec.Check("Abs", len(x), len(y))
	absLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// Sigmoid sets y to 1/(1 + exp(-x)), computed as ½ tanh(½x) + ½ like Caffe's
// sigmoid_layer.cpp: the error is absolute, so far below zero y is 0. y may be x.
func Sigmoid(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.Sigmoid(x, y)
		return
	}
	vec.Check("Sigmoid", len(x), len(y))
	sigmoidLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// TanH sets y to the hyperbolic tangent of x, with an error of at most 2 units
// in the last place. y may be x.
func TanH(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.TanH(x, y)
		return
	}
	vec.Check("TanH", len(x), len(y))
	tanhLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// ReLU sets y to x where x > 0 and to slope x elsewhere, as Caffe's
// relu_layer.cpp does. y may be x.
func ReLU(p *parallel.Pool, slope float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.ReLU(slope, x, y)
		return
	}
	vec.Check("ReLU", len(x), len(y))
	reluLoop.Run(p, len(y), vec.Block, vectors{alpha: slope, a: x, y: y})
}

// ReLUBackward sets dx to dy where x > 0 and to slope dy elsewhere, the gradient
// of ReLU. If slope is not negative, x may be the output of ReLU instead of its
// input. dx may be dy.
func ReLUBackward(p *parallel.Pool, slope float32, x, dy, dx []float32) {
	if direct(p, len(dx)) {
		vec.ReLUBackward(slope, x, dy, dx)
		return
	}
	vec.Check("ReLUBackward", min(len(x), len(dy)), len(dx))
	reluBackLoop.Run(p, len(dx), vec.Block, vectors{alpha: slope, a: x, b: dy, y: dx})
}
