package cuda

import (
	_ "embed"
	"math"
	"math/bits"
)

//go:embed kernel/math.ptx.gz
var mathPTX string

// Math is the module of the arithmetic that layers share. It stands in the
// registration of a layer that has no kernels of its own.
var Math = NewModule(mathPTX)

var (
	mathAxpby        = Math.Kernel("math_axpby")
	mathAdd          = Math.Kernel("math_add")
	mathMul          = Math.Kernel("math_mul")
	mathCopyRows     = Math.Kernel("math_copy_rows")
	mathScaleShift   = Math.Kernel("math_scale_shift")
	mathChannelParts = Math.Kernel("math_channel_parts")
	mathColumnParts  = Math.Kernel("math_column_parts")
	mathChannelTotal = Math.Kernel("math_channel_total")
	mathChannelAdd   = Math.Kernel("math_channel_add")
	mathDropoutMask  = Math.Kernel("math_dropout_mask")
	mathSetLong      = Math.Kernel("math_set_long")
)

// Divisor returns what a kernel needs to divide numbers below 2³¹ by d, with
// gc_divide: by a product and a shift.
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

// CopyRows copies rows of width elements from x to y. The rows start ldx elements
// apart in x and ldy apart in y.
func (d *Device) CopyRows(rows, width int, x Ptr, ldx int, y Ptr, ldy int) {
	if rows == 0 || width == 0 {
		return
	}
	mul, shift := Divisor(width)
	d.Launch(mathCopyRows, Each(rows*width), x, ldx, y, ldy, width, rows*width, mul, shift)
}

// ChannelScaleShift sets y to x scale[channel] + shift[channel]. x and y are
// (n,c,s), scale and shift are (c). Either of scale and shift may be 0 and is then
// left out. y may be x.
func (d *Device) ChannelScaleShift(n, c, s int, x, scale, shift, y Ptr) {
	count := n * c * s
	if count == 0 {
		return
	}
	mulS, shiftS := Divisor(s)
	mulC, shiftC := Divisor(c)
	d.Launch(mathScaleShift, Each(count), x, scale, shift, y, c, count, mulS, shiftS, mulC, shiftC)
}

// ChannelSums sets sums to the sums of a and of a b over each channel, in float64.
// a and b are (n,c,s), sums is (c,2). If b is 0, so is the second sum. It uses
// Scratch.
func (d *Device) ChannelSums(n, c, s int, a, b, sums Ptr) {
	const (
		perBlock  = 16 * Block // numbers for a block
		perThread = 64         // and for a thread of the version for a small inner
	)
	rows := n * s
	if c == 0 {
		return
	}
	if s >= 16 || c < 16 {
		per := max(perBlock, (rows+1023)/1024)
		parts := max(1, (rows+per-1)/per)
		mul, shift := Divisor(max(1, s))
		p := d.Scratch(4 * parts * c)
		d.Launch(mathChannelParts, Blocks(c, parts, 1), a, b, p, c, s, rows, per, mul, shift)
		d.Launch(mathChannelTotal, Each(c), p, sums, c, parts)
		return
	}
	per := max(1, perThread/s, (n+1023)/1024)
	parts := max(1, (n+per-1)/per)
	p := d.Scratch(4 * parts * c)
	d.Launch(mathColumnParts, Blocks((c+Block-1)/Block, parts, 1), a, b, p, c, s, n, per)
	d.Launch(mathChannelTotal, Each(c), p, sums, c, parts)
}

// ChannelSum sets sum, of shape (c), to beta sum plus the sum of x, of shape
// (n,c,s), over each channel. If beta is 0, sum is written but not read. It uses
// Scratch.
func (d *Device) ChannelSum(n, c, s int, x Ptr, beta float32, sum Ptr) {
	sums := d.sums(c)
	d.ChannelSums(n, c, s, x, 0, sums)
	d.Launch(mathChannelAdd, Each(c), sums, 0, beta, sum, c)
}

// ChannelDot sets dot, of shape (c), to beta dot plus the sum of a b over each
// channel. a and b are (n,c,s). If beta is 0, dot is written but not read. It uses
// Scratch.
func (d *Device) ChannelDot(n, c, s int, a, b Ptr, beta float32, dot Ptr) {
	sums := d.sums(c)
	d.ChannelSums(n, c, s, a, b, sums)
	d.Launch(mathChannelAdd, Each(c), sums, 1, beta, dot, c)
}

// sums returns room for the sums of ChannelSums.
func (d *Device) sums(channels int) Ptr { return d.channelSums.of(d, 4*channels) }

// DropoutMask sets the n elements of mask to 0 with probability ratio and to scale
// otherwise, like kernel.DropoutMask. The number of the stream of random numbers
// is the 64-bit number at stream.
func (d *Device) DropoutMask(n int, key uint64, stream Ptr, ratio, scale float32, mask Ptr) {
	limit := uint32(max(0, min(float64(ratio)*0x1p32, math.MaxUint32)))
	d.Launch(mathDropoutMask, Each((n+3)/4), mask, key, stream, limit, scale, n)
}
