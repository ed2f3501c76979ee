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

// Fill sets n numbers to v.
func (d *Device) Fill(p Ptr, v float32, n int) { d.memset(p, math.Float32bits(v), n) }

// SetLong sets a number of 64 bits.
func (d *Device) SetLong(p Ptr, v uint64) { d.Launch(mathSetLong, Each(1), p, v) }

// Axpby computes y = a·x + b·y for n numbers. If b is 0, y is only written.
func (d *Device) Axpby(a float32, x Ptr, b float32, y Ptr, n int) {
	d.Launch(mathAxpby, Each(n), a, x, b, y, n)
}

// Axpy computes y += a·x for n numbers.
func (d *Device) Axpy(a float32, x, y Ptr, n int) { d.Axpby(a, x, 1, y, n) }

// Scale computes y = a·x for n numbers. y may be x.
func (d *Device) Scale(a float32, x, y Ptr, n int) { d.Axpby(a, x, 0, y, n) }

// Add computes y = a + b for n numbers. y may be one of them.
func (d *Device) Add(a, b, y Ptr, n int) { d.Launch(mathAdd, Each(n), a, b, y, n) }

// Mul computes y = a·b for n numbers. y may be one of them.
func (d *Device) Mul(a, b, y Ptr, n int) { d.Launch(mathMul, Each(n), a, b, y, n) }

// CopyRows copies rows of width numbers. The rows begin srcStep numbers apart in
// src, and dstStep in dst.
func (d *Device) CopyRows(dst Ptr, dstStep int, src Ptr, srcStep int, rows, width int) {
	if rows == 0 || width == 0 {
		return
	}
	mul, shift := Divisor(width)
	d.Launch(mathCopyRows, Each(rows*width), src, srcStep, dst, dstStep, width, rows*width, mul, shift)
}

// ChannelScaleShift computes y = x·scale[c] + shift[c] for arrays of outer ×
// channels × inner numbers. scale or shift may be 0, for none. y may be x.
func (d *Device) ChannelScaleShift(y, x, scale, shift Ptr, outer, channels, inner int) {
	n := outer * channels * inner
	if n == 0 {
		return
	}
	mulInner, shiftInner := Divisor(inner)
	mulChannels, shiftChannels := Divisor(channels)
	d.Launch(mathScaleShift, Each(n), x, scale, shift, y, channels, n, mulInner, shiftInner, mulChannels, shiftChannels)
}

// ChannelSums computes in float64, for each channel of arrays of outer ×
// channels × inner numbers, the sums of a and of a·b: sums is (channels, 2). If b
// is 0 the second is 0 too. It uses Scratch.
func (d *Device) ChannelSums(sums, a, b Ptr, outer, channels, inner int) {
	const (
		perBlock  = 16 * Block // numbers for a block
		perThread = 64         // and for a thread of the version for a small inner
	)
	rows := outer * inner
	if channels == 0 {
		return
	}
	if inner >= 16 || channels < 16 {
		per := max(perBlock, (rows+1023)/1024)
		parts := max(1, (rows+per-1)/per)
		mul, shift := Divisor(max(1, inner))
		p := d.Scratch(4 * parts * channels)
		d.Launch(mathChannelParts, Blocks(channels, parts, 1), a, b, p, channels, inner, rows, per, mul, shift)
		d.Launch(mathChannelTotal, Each(channels), p, sums, channels, parts)
		return
	}
	per := max(1, perThread/inner, (outer+1023)/1024)
	parts := max(1, (outer+per-1)/per)
	p := d.Scratch(4 * parts * channels)
	d.Launch(mathColumnParts, Blocks((channels+Block-1)/Block, parts, 1), a, b, p, channels, inner, outer, per)
	d.Launch(mathChannelTotal, Each(channels), p, sums, channels, parts)
}

// ChannelSum computes sum[c] = beta·sum[c] + Σ x over outer and inner, of an array
// of outer × channels × inner numbers. It uses Scratch.
func (d *Device) ChannelSum(sum, x Ptr, beta float32, outer, channels, inner int) {
	sums := d.sums(channels)
	d.ChannelSums(sums, x, 0, outer, channels, inner)
	d.Launch(mathChannelAdd, Each(channels), sums, 0, beta, sum, channels)
}

// ChannelDot computes sum[c] = beta·sum[c] + Σ x·y as ChannelSum does.
func (d *Device) ChannelDot(sum, x, y Ptr, beta float32, outer, channels, inner int) {
	sums := d.sums(channels)
	d.ChannelSums(sums, x, y, outer, channels, inner)
	d.Launch(mathChannelAdd, Each(channels), sums, 1, beta, sum, channels)
}

// sums returns room for the sums of ChannelSums.
func (d *Device) sums(channels int) Ptr { return d.channelSums.of(d, 4*channels) }

// DropoutMask sets mask[i] to 0 with the given probability and to value
// otherwise, by word i of a stream of random numbers whose number is at stream.
func (d *Device) DropoutMask(mask Ptr, key uint64, stream Ptr, probability, value float32, n int) {
	limit := uint32(max(0, min(float64(probability)*0x1p32, math.MaxUint32)))
	d.Launch(mathDropoutMask, Each((n+3)/4), mask, key, stream, limit, value, n)
}
