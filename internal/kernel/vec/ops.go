package vec

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// ops is one implementation of the loops under this package's functions. They check
// that all slices of a loop have the same length.
type ops struct {
	fill       func(dst []float32, v float32)
	axpy       func(alpha float32, x, y []float32)
	axpby      func(alpha float32, x []float32, beta float32, y []float32)
	scale      func(alpha float32, x, dst []float32)
	addScalar  func(dst, x []float32, v float32)
	add        func(dst, a, b []float32)
	sub        func(dst, a, b []float32)
	mul        func(dst, a, b []float32)
	div        func(dst, a, b []float32)
	maximum    func(dst, a, b []float32)
	mulAdd     func(dst, x, a, b []float32)
	scaleShift func(dst, x []float32, scale, shift float32)
	relu       func(dst, x []float32, slope float32)
	reluGrad   func(dst, x, dy []float32, slope float32)
	abs        func(dst, x []float32)
	exp        func(dst, x []float32)
	log        func(dst, x []float32)
	sigmoid    func(dst, x []float32)
	tanh       func(dst, x []float32)
	bnll       func(dst, x []float32)
	bnllGrad   func(dst, x, dy []float32)
	elu        func(dst, x []float32, alpha float32)
	eluGrad    func(dst, y, dy []float32, alpha float32)
	swish      func(dst, x []float32, beta float32)
	swishGrad  func(dst, x, dy []float32, beta float32)
	clip       func(dst, x []float32, lo, hi float32)
	clipGrad   func(dst, x, dy []float32, lo, hi float32)

	sum          func(x []float32) float64
	asum         func(x []float32) float64
	sumSq        func(x []float32) float64
	dot          func(a, b []float32) float64
	max          func(x []float32) float32
	anyNonFinite func(x []float32) bool
}

// active returns the loops in use.
func active() *ops { return implementations[cpu.Active()] }
