package kernel

import "fmt"

// The functions of this file work on slices in one thread. The length is that
// of the slice written to (of x, for a reduction); the others must not be
// shorter, and what they have beyond it is ignored. dst may be one of the
// sources, but must not overlap one otherwise.
//
// Reductions add in float64, in an order that depends on the length alone. The
// product of two float32 is exact in float64, so that the relative error of a
// sum of n non-negative terms is below n·2⁻⁵³.

// vecOps is one implementation of the loops under this package's element-wise
// functions. Each loop may rely on its slices having the length it needs.
type vecOps struct {
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
	normalize  func(dst, x []float32, mean, invstd float32)
	relu       func(dst, x []float32, slope float32)
	reluGrad   func(dst, x, dy []float32, slope float32)
	exp        func(dst, x []float32)
	sigmoid    func(dst, x []float32)
	tanh       func(dst, x []float32)

	sum          func(x []float32) float64
	asum         func(x []float32) float64
	sumSq        func(x []float32) float64
	sumAndSq     func(x []float32) (sum, sq float64)
	dot          func(a, b []float32) float64
	sumDot       func(a, b []float32) (sum, dot float64)
	max          func(x []float32) float32
	anyNonFinite func(x []float32) bool

	bnBackward func(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32)

	normRectify     func(dst, x []float32, mean, scale, shift, slope float32)
	normRectifySums func(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64)
	normRectifyGrad func(dst, x, dy []float32, mean, scale, shift, slope, ofD, constant float32)

	normRectifyRow     func(dst, x, mean, scale, shift []float32, slope float32)
	normRectifySumsRow func(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64)
	normRectifyGradRow func(dst, x, dy, mean, scale, shift, ofD, constant []float32, slope float32)

	prefetch    func(x []float32)
	mulAxpy     func(alpha float32, a, b, y []float32)
	sumRows     func(dst, x []float32, stride, rows int)
	sumSqRows   func(dst, x []float32, stride, rows int)
	lrnForward  func(y, x, m []float32, alpha, k float32)
	lrnGradient func(dx, r, dy, x, m []float32, alpha, k float32)

	// Local response normalization within a channel for windows of 3·3 and
	// beta 0.75, or nil.
	lrnWithin3         func(y, x []float32, h, w int, alpha, k float32)
	lrnWithin3Gradient func(dx, r, dy, x []float32, h, w int, alpha, k float32)
	lrnWithin3Spread   func(dx, x, r []float32, h, w int, alpha float32)

	maxPoolRow    func(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32)
	avePoolRow    func(x []float32, width, kh, kw, stride int, size float32, y []float32)
	windows       [windowSizes]windowOps
	dropoutBlocks func(dst []float32, key, stream, block uint64, limit uint32, scale float32)

	lanes int // in a vector

	// Loops of Pixels, on a multiple of lanes numbers.
	pixels, pixelsMirrored           func(dst []float32, x []byte, mean, scale float32)
	pixelsMeans, pixelsMeansMirrored func(dst []float32, x []byte, means []float32, scale float32)

	sgd      func(diff, history []float32, rate, momentum float32)
	nesterov func(diff, history []float32, rate, momentum float32)
	adagrad  func(diff, history []float32, rate, delta float32)
	rmsprop  func(diff, history []float32, rate, decay, delta float32)
	adadelta func(diff, gradients, updates []float32, rate, momentum, delta float32)
	adam     func(diff, m, v []float32, rate, beta1, beta2, epsHat float32)
}

// vecTable holds the implementation of each level.
var vecTable = [...]*vecOps{
	levelGeneric: &vecGeneric,
	levelAVX2:    &vecAVX2,
	levelAVX512:  &vecAVX512,
}

// vec returns the implementation in use.
func vec() *vecOps { return vecTable[active] }

// vecCheck panics if a slice of function fn has fewer numbers than wanted.
func vecCheck(fn string, got, want int) {
	if got < want {
		vecShort(fn, got, want)
	}
}

func vecShort(fn string, got, want int) {
	panic(fmt.Sprintf("kernel: %s: slice of %d, want %d", fn, got, want))
}

// Fill sets every number of dst to v.
func Fill(dst []float32, v float32) { vec().fill(dst, v) }

// Axpy adds alpha times x to y.
func Axpy(alpha float32, x, y []float32) {
	vecCheck("Axpy", len(x), len(y))
	vec().axpy(alpha, x[:len(y)], y)
}

// Axpby sets y to alpha x + beta y.
func Axpby(alpha float32, x []float32, beta float32, y []float32) {
	vecCheck("Axpby", len(x), len(y))
	vec().axpby(alpha, x[:len(y)], beta, y)
}

// Scale sets dst to alpha x.
func Scale(alpha float32, x, dst []float32) {
	vecCheck("Scale", len(x), len(dst))
	vec().scale(alpha, x[:len(dst)], dst)
}

// AddScalar sets dst to x + v.
func AddScalar(dst, x []float32, v float32) {
	vecCheck("AddScalar", len(x), len(dst))
	vec().addScalar(dst, x[:len(dst)], v)
}

// Add sets dst to a + b.
func Add(dst, a, b []float32) {
	vecCheck("Add", min(len(a), len(b)), len(dst))
	vec().add(dst, a[:len(dst)], b[:len(dst)])
}

// Sub sets dst to a - b.
func Sub(dst, a, b []float32) {
	vecCheck("Sub", min(len(a), len(b)), len(dst))
	vec().sub(dst, a[:len(dst)], b[:len(dst)])
}

// Mul sets dst to a b, element by element.
func Mul(dst, a, b []float32) {
	vecCheck("Mul", min(len(a), len(b)), len(dst))
	vec().mul(dst, a[:len(dst)], b[:len(dst)])
}

// Div sets dst to a / b, element by element.
func Div(dst, a, b []float32) {
	vecCheck("Div", min(len(a), len(b)), len(dst))
	vec().div(dst, a[:len(dst)], b[:len(dst)])
}

// ScaleShift sets dst to x·scale + shift.
func ScaleShift(dst, x []float32, scale, shift float32) {
	vecCheck("ScaleShift", len(x), len(dst))
	vec().scaleShift(dst, x[:len(dst)], scale, shift)
}

// ReLU sets dst to x where x > 0 and to slope·x elsewhere, as Caffe's
// relu_layer.cpp does.
func ReLU(dst, x []float32, slope float32) {
	vecCheck("ReLU", len(x), len(dst))
	vec().relu(dst, x[:len(dst)], slope)
}

// ReLUGrad sets dx to dy·((x > 0) + slope·(x <= 0)), as Caffe's relu_layer.cpp
// does. x is the layer's bottom, or its top where it worked in place.
func ReLUGrad(dx, x, dy []float32, slope float32) {
	vecCheck("ReLUGrad", min(len(x), len(dy)), len(dx))
	vec().reluGrad(dx, x[:len(dx)], dy[:len(dx)], slope)
}

// Exp sets dst to e to the power of x, to within 2 units in the last place.
func Exp(dst, x []float32) {
	vecCheck("Exp", len(x), len(dst))
	vec().exp(dst, x[:len(dst)])
}

// Sigmoid sets dst to ½ tanh(½x) + ½, the form of Caffe's sigmoid_layer.cpp:
// its error is absolute, and far below zero it is 0.
func Sigmoid(dst, x []float32) {
	vecCheck("Sigmoid", len(x), len(dst))
	vec().sigmoid(dst, x[:len(dst)])
}

// TanH sets dst to the hyperbolic tangent of x, to within 2 units in the last
// place.
func TanH(dst, x []float32) {
	vecCheck("TanH", len(x), len(dst))
	vec().tanh(dst, x[:len(dst)])
}

// Sum returns the sum of x.
func Sum(x []float32) float32 { return float32(vec().sum(x)) }

// Sum64 returns the sum of x, not rounded to float32.
func Sum64(x []float32) float64 { return vec().sum(x) }

// Asum returns the sum of the magnitudes of x.
func Asum(x []float32) float64 { return vec().asum(x) }

// SumSq returns the sum of the squares of x.
func SumSq(x []float32) float64 { return vec().sumSq(x) }

// Dot returns the inner product of a and the first len(a) numbers of b.
func Dot(a, b []float32) float64 {
	vecCheck("Dot", len(b), len(a))
	return vec().dot(a, b[:len(a)])
}

// Max returns the largest number of x, passing over NaN; -Inf if there is none.
func Max(x []float32) float32 { return vec().max(x) }

// AnyNonFinite tells whether x holds a NaN or an infinity.
func AnyNonFinite(x []float32) bool { return vec().anyNonFinite(x) }
