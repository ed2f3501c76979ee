// Package vec works on float32 slices in one thread: maps from slices to slices,
// and sums. Callers split longer slices into parts of [Block] elements.
//
// The length is that of the last slice, which is the result, or of the only or first
// slice of a sum. The other slices must not be shorter; elements beyond it are ignored.
// The result may be one of the sources, but must not partially overlap one. A slice that
// is too short is a bug in the caller and causes a panic.
//
// Sums add in float64, in an order that depends on the length alone. The product
// of two float32 is exact in float64, so the relative error of a sum of n
// non-negative terms is below n·2⁻⁵³.
package vec

import "fmt"

//go:generate go run -C ../_asm . -subject vec -out ../vec/vec_amd64.s -stubs ../vec/stubs_amd64.go -pkg vec
//go:generate go run -C ../_asm ./arm64 -subject vec -out ../vec/vec_arm64.s -stubs ../vec/stubs_arm64.go

// Block is the number of elements in a part of a parallel loop: 64 KB of each slice.
// Handing out such a part (under a microsecond) costs little, and its data stay in the
// second-level cache.
const Block = 16 << 10

// Check panics unless a slice of function fn has as many elements as wanted.
func Check(fn string, got, want int) {
	if got < want {
		short(fn, got, want)
	}
}

func short(fn string, got, want int) {
	panic(fmt.Sprintf("kernel: %s: slice of %d, want %d", fn, got, want))
}

// Fill sets y to alpha.
func Fill(alpha float32, y []float32) { active().fill(y, alpha) }

// Axpy adds alpha x to y.
func Axpy(alpha float32, x, y []float32) {
	Check("Axpy", len(x), len(y))
	active().axpy(alpha, x[:len(y)], y)
}

// Axpby sets y to alpha x + beta y.
func Axpby(alpha float32, x []float32, beta float32, y []float32) {
	Check("Axpby", len(x), len(y))
	active().axpby(alpha, x[:len(y)], beta, y)
}

// Scale sets y to alpha x.
func Scale(alpha float32, x, y []float32) {
	Check("Scale", len(x), len(y))
	active().scale(alpha, x[:len(y)], y)
}

// AddScalar sets y to x + alpha.
func AddScalar(alpha float32, x, y []float32) {
	Check("AddScalar", len(x), len(y))
	active().addScalar(y, x[:len(y)], alpha)
}

// ScaleShift sets y to x·scale + shift.
func ScaleShift(scale, shift float32, x, y []float32) {
	Check("ScaleShift", len(x), len(y))
	active().scaleShift(y, x[:len(y)], scale, shift)
}

// Add sets y to a + b.
func Add(a, b, y []float32) {
	Check("Add", min(len(a), len(b)), len(y))
	active().add(y, a[:len(y)], b[:len(y)])
}

// Sub sets y to a - b.
func Sub(a, b, y []float32) {
	Check("Sub", min(len(a), len(b)), len(y))
	active().sub(y, a[:len(y)], b[:len(y)])
}

// Mul sets y to a b, element by element.
func Mul(a, b, y []float32) {
	Check("Mul", min(len(a), len(b)), len(y))
	active().mul(y, a[:len(y)], b[:len(y)])
}

// Div sets y to a / b, element by element.
func Div(a, b, y []float32) {
	Check("Div", min(len(a), len(b)), len(y))
	active().div(y, a[:len(y)], b[:len(y)])
}

// Maximum sets y to b where b > a and to a elsewhere.
func Maximum(a, b, y []float32) {
	Check("Maximum", min(len(a), len(b)), len(y))
	active().maximum(y, a[:len(y)], b[:len(y)])
}

// MulAdd sets y to x a + b, element by element.
func MulAdd(x, a, b, y []float32) {
	Check("MulAdd", min(len(x), len(a), len(b)), len(y))
	active().mulAdd(y, x[:len(y)], a[:len(y)], b[:len(y)])
}

// ReLU sets y to x where x > 0 and to slope·x elsewhere, as Caffe's
// relu_layer.cpp does.
func ReLU(slope float32, x, y []float32) {
	Check("ReLU", len(x), len(y))
	active().relu(y, x[:len(y)], slope)
}

// ReLUBackward sets dx to dy·((x > 0) + slope·(x <= 0)), as Caffe's
// relu_layer.cpp does. x is the layer's bottom, or its top if it works in place.
func ReLUBackward(slope float32, x, dy, dx []float32) {
	Check("ReLUBackward", min(len(x), len(dy)), len(dx))
	active().reluGrad(dx, x[:len(dx)], dy[:len(dx)], slope)
}

// Exp sets y to e to the power of x, to within 2 units in the last place.
func Exp(x, y []float32) {
	Check("Exp", len(x), len(y))
	active().exp(y, x[:len(y)])
}

// Log sets y to the natural logarithm of x, to within 2 units in the last place.
func Log(x, y []float32) {
	Check("Log", len(x), len(y))
	active().log(y, x[:len(y)])
}

// Abs sets y to the absolute value of x.
func Abs(x, y []float32) {
	Check("Abs", len(x), len(y))
	active().abs(y, x[:len(y)])
}

// Sigmoid sets y to ½ tanh(½x) + ½, the formula of Caffe's sigmoid_layer.cpp. Its error
// is absolute, and far below zero it is 0.
func Sigmoid(x, y []float32) {
	Check("Sigmoid", len(x), len(y))
	active().sigmoid(y, x[:len(y)])
}

// TanH sets y to the hyperbolic tangent of x, to within 2 units in the last
// place.
func TanH(x, y []float32) {
	Check("TanH", len(x), len(y))
	active().tanh(y, x[:len(y)])
}

// Sum returns the sum of x.
func Sum(x []float32) float64 { return active().sum(x) }

// Asum returns the sum of the absolute values of x.
func Asum(x []float32) float64 { return active().asum(x) }

// SumSq returns the sum of the squares of x.
func SumSq(x []float32) float64 { return active().sumSq(x) }

// Dot returns the inner product of a and the first len(a) elements of b.
func Dot(a, b []float32) float64 {
	Check("Dot", len(b), len(a))
	return active().dot(a, b[:len(a)])
}

// Max returns the largest element of x that is not a NaN; -Inf if there is none.
func Max(x []float32) float32 { return active().max(x) }

// AnyNonFinite reports whether x holds a NaN or an infinity.
func AnyNonFinite(x []float32) bool { return active().anyNonFinite(x) }
