package pool

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// The functions of this file pool several rows of windows of a plane in one call,
// for the sizes that nets have: windows of k columns, stride apart. They handle
// groups of as many columns of windows as a vector has lanes. What is outside the
// image is masked, so the edges need no code of their own.

// pool writes the forward pass:
//
//	x         from the first column of the first row of the first windows
//	width     columns of the image
//	step      elements from one row of windows to the next
//	rows, n   rows of windows, windows in a row
//	kh        rows of a window
//	pad       columns of padding to the left
//	first     index of x[0] in its plane (mask)
//	height    rows that the mean counts (ave)
func (s *set) pool(w windows) {
	switch {
	case w.mask:
		s.Text(w.name("Pool"), "(x []float32, width, step, rows, n, kh, pad, first int, y []float32, mask []int32)",
			"is specialOps.maxPool for such windows.")
	case w.max:
		s.Text(w.name("Value"), "(x []float32, width, step, rows, n, kh, pad int, y []float32)",
			"is specialOps.maxValue for such windows.")
	default:
		s.Text(w.name("Pool"), "(x []float32, width, step, rows, n, kh, pad int, height float32, y []float32)",
			"is specialOps.avePool for such windows.")
	}
	x := Load(Param("x").Base(), GP64())
	y := Load(Param("y").Base(), GP64())
	hi := Load(Param("width"), GP64()) // columns from the first of the group on
	lo := Load(Param("pad"), GP64())   // how many of them are padding
	ADDQ(lo, hi)
	shift := GP64()
	MOVQ(lo, shift)
	SHLQ(U8(2), shift)
	SUBQ(shift, x)
	left := Load(Param("n"), GP64()) // windows
	var out, index reg.Register
	if w.mask {
		out = Load(Param("mask").Base(), GP64())
		index = Load(Param("first"), GP64()) // of the group's first column
		SUBQ(lo, index.(reg.GPVirtual))
	}

	Label("group")
	CMPQ(left, I32(0))
	JLE(LabelRef("done"))
	sel := s.Mask(simd.Bounded(left, 0, s.Lanes), 0)
	from := s.loads(w, lo, hi)
	other, skip, size := s.Vec(), s.Vec(), s.Vec()
	if w.max {
		VMOVUPS(simd.Float(-math.MaxFloat32), other)
	} else {
		size = s.widths(w, hi, 0)
		VMULPS(s.Broadcast(simd.Arg("height")), size, size)
	}
	if w.mask {
		gap := Load(Param("width"), GP64())
		SUBQ(I32(w.k), gap)
		skip = s.BroadcastInt(gap) // from the end of one row of the window to the next
	}
	row, to := GP64(), GP64() // to: byte offset in y and mask
	MOVQ(x, row)
	XORQ(to, to)
	rows := Load(Param("rows"), GP64())
	var at reg.GPVirtual
	if w.mask {
		at = GP64()
		MOVQ(index, at)
	}

	Label("row")
	line, h := GP64(), GP64()
	MOVQ(row, line)
	PREFETCHT0(Mem{Base: y, Index: to, Scale: 1, Disp: simd.AheadOut})
	if w.mask {
		PREFETCHT0(Mem{Base: out, Index: to, Scale: 1, Disp: simd.AheadOut})
	}
	Load(Param("kh"), h)
	best, where, off := s.Vec(), s.Vec(), s.Vec()
	if w.max {
		VMOVAPS(other, best)
	} else {
		s.Clear(best)
	}
	if w.mask {
		s.Clear(where)
		s.Clear(off)
	}

	Label("line")
	for i := range w.stride {
		PREFETCHT0(Mem{Base: line, Disp: simd.AheadIn + 64*i})
	}
	for _, l := range from {
		var low, high reg.VecVirtual
		load := func(disp int, sel *simd.Mask) reg.VecVirtual {
			m := Mem{Base: line, Disp: disp}
			if w.max {
				return s.loadOr(m, sel, other)
			}
			return s.Load(m, sel)
		}
		low = load(4*l.offset, l.low)
		if l.high != nil {
			high = load(4*(l.offset+s.Lanes), l.high)
		}
		for i := range l.taps {
			v := low
			if high != nil {
				v = s.Vec()
				VSHUFPS(U8([]uint8{0x88, 0xDD}[i]), high, low, v)
			}
			if !w.max {
				VADDPS(v, best, best)
				continue
			}
			var sel *simd.Mask
			if w.mask {
				sel = s.Compare(simd.Greater, v, best)
			}
			VMAXPS(best, v, best) // best where v is NaN
			if !w.mask {
				continue
			}
			s.Blend(sel, off, where)
			VPADDD(simd.Bits(1), off, off)
		}
	}
	width := Load(Param("width"), GP64())
	LEAQ(Mem{Base: line, Index: width, Scale: 4}, line)
	if w.mask {
		VPADDD(skip, off, off)
	}
	DECQ(h)
	JNZ(LabelRef("line"))

	if w.stride == 2 {
		s.ordered(best)
	}
	if w.mask {
		if w.stride == 2 {
			s.ordered(where)
		}
		base, none := s.BroadcastInt(at), s.Vec()
		VPADDD(base, where, where)
		VPADDD(s.Sequence(0, w.stride), where, where)
		VMOVUPS(simd.Bits(math.MaxUint32), none)
		s.Blend(s.Compare(simd.Greater, best, other), where, none)
		s.Store(none, Mem{Base: out, Index: to, Scale: 1}, sel)
	}
	if !w.max {
		VDIVPS(size, best, best)
	}
	s.Store(best, Mem{Base: y, Index: to, Scale: 1}, sel)
	n, step := Load(Param("n"), GP64()), Load(Param("step"), GP64())
	LEAQ(Mem{Base: to, Index: n, Scale: 4}, to)
	LEAQ(Mem{Base: row, Index: step, Scale: 4}, row)
	if w.mask {
		ADDQ(step, at)
	}
	DECQ(rows)
	JNZ(LabelRef("row"))

	columns := s.Lanes * w.stride
	ADDQ(I32(4*columns), x)
	ADDQ(I32(4*s.Lanes), y)
	if w.mask {
		ADDQ(I32(4*s.Lanes), out)
		ADDQ(I32(columns), index)
	}
	SUBQ(I32(columns), hi)
	SUBQ(I32(columns), lo)
	SUBQ(I32(s.Lanes), left)
	JMP(LabelRef("group"))
	Label("done")
	simd.Ret()
}

// loads are what is loaded from a row of the image for a group of windows: one vector,
// or two that are shuffled, from each offset.
type loads struct {
	offset    int
	low, high *simd.Mask
	taps      []int // the columns of the window that these are
}

func (s *set) loads(w windows, lo, hi reg.Register) (list []loads) {
	if w.stride == 1 {
		for i := range w.k {
			list = append(list, loads{offset: i, low: s.Between(lo, hi, i, 0), taps: []int{i}})
		}
		return list
	}
	for i := 0; i < w.k; i += 2 {
		l := loads{offset: i, low: s.Between(lo, hi, i, 0), high: s.Between(lo, hi, i, s.Lanes)}
		for t := i; t < min(i+2, w.k); t++ {
			l.taps = append(l.taps, t)
		}
		list = append(list, l)
	}
	return list
}

// loadOr loads the selected lanes and takes the others from other.
func (s *set) loadOr(m Mem, sel *simd.Mask, other reg.VecVirtual) reg.VecVirtual {
	v := s.Vec()
	if s.Wide {
		VMOVAPS(other, v)
		VMOVUPS(m, sel.K, v)
		return v
	}
	VMASKMOVPS(m, sel.V, v)
	VBLENDVPS(sel.V, v, other, v)
	return v
}

// ordered puts the lanes in order of what VSHUFPS has taken from two vectors.
func (s *set) ordered(v reg.VecVirtual) {
	if !s.Wide {
		VPERMPD(U8(0xD8), v, v)
		return
	}
	order := ZMM()
	VMOVUPS(simd.Words("shuffledOrder", 0, 0, 2, 0, 4, 0, 6, 0, 1, 0, 3, 0, 5, 0, 7, 0), order)
	VPERMPD(v, order, v)
}

// widths returns the widths in the padded image, as float32, of the windows that
// begin before columns to the left of a group's. hi is the number of columns from the
// group's first to the end of the image, and parameter pad the padding. No width is
// less than 1.
func (s *set) widths(w windows, hi reg.Register, before int) reg.VecVirtual {
	columns := Load(Param("pad"), GP64()) // to the end of the padded image
	ADDQ(hi, columns)
	ADDQ(I32(before), columns)
	v := s.BroadcastInt(columns)
	VPSUBD(s.Sequence(0, w.stride), v, v)
	VPMINSD(simd.Bits(uint32(w.k)), v, v)
	VPMAXSD(simd.Bits(1), v, v)
	VCVTDQ2PS(v, v)
	return v
}
