package norm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// ops is one implementation of the loops under this package's functions. All slices of a
// loop have the same length unless noted otherwise.
type ops struct {
	normalize     func(dst, x []float32, mean, invstd float32)
	invStd        func(dst, variance []float32, eps float32)
	normalizeGrad func(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32)
	sumAndSquares func(x []float32) (sum, squares float64)
	sumAndDot     func(a, b []float32) (sum, dot float64)

	// a and b have rows that are stride apart, at least one, and as many columns as sum and dot.
	columnSums func(a, b []float32, stride, rows int, sum, dot []float64)

	affineReLU     func(dst, x []float32, mean, scale, shift, slope float32)
	affineReLUSums func(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64)
	affineReLUGrad func(dst, x, dy []float32, mean, scale, shift, slope, dFactor, offset float32)

	// x has whole vectors, and the other slices have one; first and second have two.
	affineReLUVectors func(x, mean, scale, shift []float32, slope float32)
	sumVectors        func(x []float32, first, second []float64)

	affineReLURow     func(dst, x, mean, scale, shift []float32, slope float32)
	affineReLUSumsRow func(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64)
	affineReLUGradRow func(dst, x, dy, mean, scale, shift, dFactor, offset []float32, slope float32)

	prefetch   func(x []float32)
	mulAxpy    func(alpha float32, a, b, y []float32)
	sumRows    func(dst, x []float32, stride, rows int) // x has rows of len(dst) elements
	sumSqRows  func(dst, x []float32, stride, rows int)
	lrnForward func(y, x, m []float32, alpha, k float32)
	lrnGrad    func(dx, ratio, dy, x, m []float32, alpha, k float32)

	// Normalization within channels for windows of 3x3 and beta 0.75; nil if
	// there is none. The slices are planes of (h,w).
	lrnWithin3       func(y, x []float32, h, w int, alpha, k float32)
	lrnWithin3Grad   func(dx, ratio, dy, x []float32, h, w int, alpha, k float32)
	lrnWithin3Spread func(dx, x, ratio []float32, h, w int, alpha float32)
}

// active returns the loops in use.
func active() *ops { return implementations[cpu.Active()] }
