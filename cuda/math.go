package cuda

import (
	_ "embed"
	"math"
	"math/bits"
)

//go:embed kernel/math.ptx.gz
var mathPTX string

// Math is the module of the arithmetic that layers share. Layers without kernels of
// their own name it in their registration.
var Math = NewModule(mathPTX)

var (
	mathAxpby       = Math.Kernel("math_axpby")
	mathAdd         = Math.Kernel("math_add")
	mathMul         = Math.Kernel("math_mul")
	mathDropoutMask = Math.Kernel("math_dropout_mask")
	mathSetLong     = Math.Kernel("math_set_long")
)

// Divisor returns the factor and the shift by which gc_divide divides numbers below
// 2³¹ by d in a kernel.
func Divisor(d int) (mul, shift uint32) {
	s := uint32(bits.Len32(uint32(d - 1)))
	return uint32(1<<(31+s)/uint64(d) + 1), 31 + s
}

// The methods of Device that compute take their arguments in the order of
// package kernel: sizes, scalars and inputs, and last the result.

// Fill sets the n elements of y to alpha.
func (d *Device) Fill(n int, alpha float32, y Ptr) { d.memset(n, math.Float32bits(alpha), y) }

// SetLong sets the 64-bit number at y to v.
func (d *Device) SetLong(v uint64, y Ptr) { d.Launch(mathSetLong, Each(1), y, v) }

// Axpby sets y to alpha x + beta y, for n elements. If beta is 0, y is written but
// not read.
func (d *Device) Axpby(n int, alpha float32, x Ptr, beta float32, y Ptr) {
	d.Launch(mathAxpby, Each(n), alpha, x, beta, y, n)
}

// Axpy adds alpha x to y, for n elements.
func (d *Device) Axpy(n int, alpha float32, x, y Ptr) { d.Axpby(n, alpha, x, 1, y) }

// Scale sets y to alpha x, for n elements. y may be x.
func (d *Device) Scale(n int, alpha float32, x, y Ptr) { d.Axpby(n, alpha, x, 0, y) }

// Add sets y to a + b, for n elements. y may be a or b.
func (d *Device) Add(n int, a, b, y Ptr) { d.Launch(mathAdd, Each(n), a, b, y, n) }

// Mul sets y to a b, element by element, for n elements. y may be a or b.
func (d *Device) Mul(n int, a, b, y Ptr) { d.Launch(mathMul, Each(n), a, b, y, n) }

// DropoutMask sets the n elements of mask to 0 with probability ratio and to scale
// otherwise, like kernel.DropoutMask. The random numbers are those of the stream whose
// 64-bit number is at the address stream.
func (d *Device) DropoutMask(n int, key uint64, stream Ptr, ratio, scale float32, mask Ptr) {
	limit := uint32(max(0, min(float64(ratio)*0x1p32, math.MaxUint32)))
	d.Launch(mathDropoutMask, Each((n+3)/4), mask, key, stream, limit, scale, n)
}
