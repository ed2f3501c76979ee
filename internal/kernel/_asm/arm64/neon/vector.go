package neon

import "fmt"

// The instructions of vector registers. Those that return a vector leave their arguments
// as they are.

// three appends an instruction with two sources whose word has the numbers of the
// registers where all of its kind have them.
func (f *Func) three(word uint32, name, shape string, d operand, a, b V) {
	form := "V%d." + shape
	d.form = form
	f.words(word, []int{0, 5, 16}, name+" %s, %s, %s", d, in(a.as(form)), in(b.as(form)))
}

func (f *Func) new3(word uint32, name string, a, b V) V {
	v := f.New()
	f.three(word, name, "4S", out(v), a, b)
	return v
}

// two appends an instruction with one source.
func (f *Func) two(word uint32, name, shape, from string, a V) V {
	v := f.New()
	f.words(word, []int{0, 5}, name+" %s, %s", out(v.as("V%d."+shape)), in(a.as("V%d."+from)))
	return v
}

// Add returns a+b.
func (f *Func) Add(a, b V) V { return f.new3(0x4e20d400, "FADD", a, b) }

// Sub returns a-b.
func (f *Func) Sub(a, b V) V { return f.new3(0x4ea0d400, "FSUB", a, b) }

// Mul returns a·b.
func (f *Func) Mul(a, b V) V { return f.new3(0x6e20dc00, "FMUL", a, b) }

// Div returns a/b.
func (f *Func) Div(a, b V) V { return f.new3(0x6e20fc00, "FDIV", a, b) }

// Max returns the larger of a and b; NaN if one of them is NaN.
func (f *Func) Max(a, b V) V { return f.new3(0x4e20f400, "FMAX", a, b) }

// Min returns the smaller of a and b; NaN if one of them is NaN.
func (f *Func) Min(a, b V) V { return f.new3(0x4ea0f400, "FMIN", a, b) }

// AddPairs returns the sums of neighbouring lanes: of a in the lower half, of b in the
// upper one.
func (f *Func) AddPairs(a, b V) V { return f.new3(0x6e20d400, "FADDP", a, b) }

// Greater returns ones in all bits of the lanes with a > b.
func (f *Func) Greater(a, b V) V { return f.new3(0x6ea0e400, "FCMGT", a, b) }

// AtLeast returns ones in all bits of the lanes with a >= b.
func (f *Func) AtLeast(a, b V) V { return f.new3(0x6e20e400, "FCMGE", a, b) }

// Equal returns ones in all bits of the lanes with a == b.
func (f *Func) Equal(a, b V) V { return f.new3(0x4e20e400, "FCMEQ", a, b) }

// Abs returns |a|.
func (f *Func) Abs(a V) V { return f.two(0x4ea0f800, "FABS", "4S", "4S", a) }

// Neg returns -a.
func (f *Func) Neg(a V) V { return f.two(0x6ea0f800, "FNEG", "4S", "4S", a) }

// Sqrt returns the square root of a.
func (f *Func) Sqrt(a V) V { return f.two(0x6ea1f800, "FSQRT", "4S", "4S", a) }

// Round returns a, rounded to the nearest integer.
func (f *Func) Round(a V) V { return f.two(0x4e218800, "FRINTN", "4S", "4S", a) }

// ToInt returns a as integers, rounded to the nearest.
func (f *Func) ToInt(a V) V { return f.two(0x4e21a800, "FCVTNS", "4S", "4S", a) }

// FromInt returns integers as float32.
func (f *Func) FromInt(a V) V { return f.two(0x4e21d800, "SCVTF", "4S", "4S", a) }

// Low and High return the lower and the upper half of a as float64.
func (f *Func) Low(a V) V  { return f.two(0x0e617800, "FCVTL", "2D", "2S", a) }
func (f *Func) High(a V) V { return f.two(0x4e617800, "FCVTL2", "2D", "4S", a) }

// Fma adds a·b to sum, and Fms subtracts it.
func (f *Func) Fma(sum, a, b V) {
	f.op("VFMLA %s, %s, %s", in(a.s4()), in(b.s4()), inout(sum.s4()))
}
func (f *Func) Fms(sum, a, b V) {
	f.op("VFMLS %s, %s, %s", in(a.s4()), in(b.s4()), inout(sum.s4()))
}

// FmaLane adds to sum the product of a and one lane of b.
func (f *Func) FmaLane(sum, a, b V, lane int) {
	word := 0x4f801000 | uint32(lane&1)<<21 | uint32(lane>>1)<<11
	f.words(word, []int{0, 5, 16}, "FMLA %s, %s, %s", inout(sum.as("V%d.4S")), in(a.as("V%d.4S")), in(b.as(fmt.Sprintf("V%%d.S[%d]", lane))))
}

// AddTo adds a to sum.
func (f *Func) AddTo(sum, a V) { f.three(0x4e20d400, "FADD", "4S", inout(sum), sum, a) }

// AddDouble adds the float64 of a to those of sum.
func (f *Func) AddDouble(sum, a V) {
	f.three(0x4e60d400, "FADD", "2D", inout(sum), sum, a)
}

// MulDouble returns the products of float64.
func (f *Func) MulDouble(a, b V) V {
	v := f.New()
	f.three(0x6e60dc00, "FMUL", "2D", out(v), a, b)
	return v
}

// FmaDouble adds a·b to sum, in float64.
func (f *Func) FmaDouble(sum, a, b V) {
	d := func(v V) operand { return v.as("V%d.D2") }
	f.op("VFMLA %s, %s, %s", in(d(a)), in(d(b)), inout(d(sum)))
}

// SumDouble returns the sum of the two float64 of a in the lower half of a vector.
func (f *Func) SumDouble(a V) V {
	v := f.New()
	f.three(0x6e60d400, "FADDP", "2D", out(v), a, a)
	return v
}

// Zero returns a vector of zeros.
func (f *Func) Zero() V {
	v := f.New()
	f.Clear(v)
	return v
}

// Clear sets v to 0.
func (f *Func) Clear(v V) { f.op("VMOVI $0, %s", out(v)) }

// Copy returns a copy of a.
func (f *Func) Copy(a V) V {
	v := f.New()
	f.CopyTo(a, v)
	return v
}

// CopyTo sets v to a.
func (f *Func) CopyTo(a, v V) { f.move("VMOV %s, %s", in(a), out(v)) }

// Lane returns lane i of a in every lane.
func (f *Func) Lane(a V, i int) V {
	v := f.New()
	f.LaneTo(a, i, v)
	return v
}

// LaneTo sets every lane of v to lane i of a.
func (f *Func) LaneTo(a V, i int, v V) {
	f.op("VDUP %s, %s", in(a.as(fmt.Sprintf("V%%d.S[%d]", i))), out(v.s4()))
}

// Repeat returns the lower half of r in every lane.
func (f *Func) Repeat(r R) V {
	v := f.New()
	f.op("VDUP %s, %s", in(r), out(v.s4()))
	return v
}

// known appends an instruction that Go's assembler knows, with the last source first.
func (f *Func) known(name string, a, b operand, form string) V {
	v := f.New()
	a.form, b.form = form, form
	f.op(name+" %s, %s, %s", in(b), in(a), out(v.as(form)))
	return v
}

// And returns a & b.
func (f *Func) And(a, b V) V { return f.known("VAND", in(a), in(b), "V%d.B16") }

// Or returns a | b.
func (f *Func) Or(a, b V) V { return f.known("VORR", in(a), in(b), "V%d.B16") }

// Xor returns a ^ b.
func (f *Func) Xor(a, b V) V { return f.known("VEOR", in(a), in(b), "V%d.B16") }

// AddInt returns a+b of integers.
func (f *Func) AddInt(a, b V) V { return f.known("VADD", in(a), in(b), "V%d.S4") }

// SubInt returns a-b of integers.
func (f *Func) SubInt(a, b V) V { return f.known("VSUB", in(a), in(b), "V%d.S4") }

// Evens returns lanes 0 and 2 of a and of b, and Odds lanes 1 and 3.
func (f *Func) Evens(a, b V) V { return f.known("VUZP1", in(a), in(b), "V%d.S4") }
func (f *Func) Odds(a, b V) V  { return f.known("VUZP2", in(a), in(b), "V%d.S4") }

// Product returns the upper and the lower halves of the products of words.
func (f *Func) Product(a, b V) (upper, lower V) {
	lo, hi := f.New(), f.New()
	f.words(0x2ea0c000, []int{0, 5, 16}, "UMULL %s, %s, %s", out(lo.as("V%d.2D")), in(a.as("V%d.2S")), in(b.as("V%d.2S")))
	f.words(0x6ea0c000, []int{0, 5, 16}, "UMULL2 %s, %s, %s", out(hi.as("V%d.2D")), in(a.as("V%d.4S")), in(b.as("V%d.4S")))
	return f.Odds(lo, hi), f.Evens(lo, hi)
}

// AtLeastInt returns ones in all bits of the lanes with a >= b, as words.
func (f *Func) AtLeastInt(a, b V) V { return f.new3(0x6ea03c00, "CMHS", a, b) }

// Transpose returns the columns of a matrix of four rows.
func (f *Func) Transpose(r [Lanes]V) [Lanes]V {
	a, b := f.ZipLow(r[0], r[1]), f.ZipHigh(r[0], r[1])
	c, d := f.ZipLow(r[2], r[3]), f.ZipHigh(r[2], r[3])
	return [Lanes]V{f.PairsLow(a, c), f.PairsHigh(a, c), f.PairsLow(b, d), f.PairsHigh(b, d)}
}

// ZipLow returns the first halves of a and b, lane by lane in turns, and ZipHigh the
// second halves.
func (f *Func) ZipLow(a, b V) V  { return f.known("VZIP1", in(a), in(b), "V%d.S4") }
func (f *Func) ZipHigh(a, b V) V { return f.known("VZIP2", in(a), in(b), "V%d.S4") }

// PairsLow returns the first halves of a and b, one after the other, and PairsHigh the
// second ones.
func (f *Func) PairsLow(a, b V) V  { return f.known("VZIP1", in(a), in(b), "V%d.D2") }
func (f *Func) PairsHigh(a, b V) V { return f.known("VZIP2", in(a), in(b), "V%d.D2") }

// Rotate returns the lanes of a, one further to the front, and the first one behind them.
func (f *Func) Rotate(a V) V {
	v := f.New()
	f.op("VEXT $4, %s, %s, %s", in(a), in(a), out(v))
	return v
}

// Reverse returns the lanes of a from the last to the first.
func (f *Func) Reverse(a V) V {
	turned, v := f.New(), f.New()
	f.op("VREV64 %s, %s", in(a.s4()), out(turned.s4()))
	f.op("VEXT $8, %s, %s, %s", in(turned), in(turned), out(v))
	return v
}

// ShiftLeft returns words shifted by n bits, ShiftRight without and ShiftSigned with
// copies of their sign.
func (f *Func) ShiftLeft(a V, n int) V {
	v := f.New()
	f.op("VSHL $%d, %s, %s", n, in(a.s4()), out(v.s4()))
	return v
}

func (f *Func) ShiftRight(a V, n int) V {
	v := f.New()
	f.op("VUSHR $%d, %s, %s", n, in(a.s4()), out(v.s4()))
	return v
}

func (f *Func) ShiftSigned(a V, n int) V {
	return f.two(0x4f000400|uint32(64-n)<<16, "SSHR", "4S", fmt.Sprintf("4S, #%d", n), a)
}

// Blend sets the lanes of dst that the mask selects to those of src.
func (f *Func) Blend(mask, src, dst V) { f.op("VBIT %s, %s, %s", in(mask), in(src), inout(dst)) }
