package pool

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// unpool writes the backward pass of windows two columns and rows apart, of k
// rows each:
//
//	dy, mask       n windows in each of outH rows
//	dx             height rows of width columns
//	padH, pad      rows of padding above, columns of it to the left
//
// The columns of dx form pairs. The second column of a pair is covered by one window,
// the first by the same one and, for k = 3, by the one before it too; the rows
// likewise. Sums are taken in the order of the windows.
func (s *set) unpool(w windows) {
	if w.max {
		s.Text(w.name("Unpool"), "(dy []float32, mask []int32, outH, n int, dx []float32, height, width, padH, pad int)",
			"is specialOps.maxUnpool for such windows.")
	} else {
		s.Text(w.name("Unpool"), "(dy []float32, outH, n int, dx []float32, height, width, padH, pad int)",
			"is specialOps.aveUnpool for such windows.")
	}
	dy := Load(Param("dy").Base(), GP64())
	dx := Load(Param("dx").Base(), GP64())
	dyAhead, dxAhead := aheadOf("outH", "n"), aheadOf("height", "width")
	ADDQ(dx, dxAhead)
	hi := Load(Param("width"), GP64()) // columns from the first of the group on
	lo := Load(Param("pad"), GP64())   // how many of them are padding
	left := Load(Param("n"), GP64())   // windows
	var in reg.Register
	if w.max {
		in = Load(Param("mask").Base(), GP64())
	}
	// The index in the plane of the group's first column, in the first row of the
	// first windows, which is padH rows above the plane.
	first := Load(Param("padH"), GP64())
	IMULQ(simd.Arg("width"), first)
	ADDQ(lo, first)
	NEGQ(first)
	ADDQ(lo, hi)

	Label("group")
	CMPQ(hi, I32(0))
	JLE(LabelRef("done"))
	sel := s.Between(nil, left, 0, 0)
	selBefore := sel
	if w.k == 3 { // the first window has none before it
		lead := GP64()
		MOVQ(left, lead)
		SUBQ(simd.Arg("n"), lead)
		selBefore = s.Between(lead, left, -1, 0)
	}
	low, high := s.Between(lo, hi, 0, 0), s.Between(lo, hi, 0, s.Lanes)
	var size, sizeBefore reg.VecVirtual
	if !w.max {
		size = s.widths(w, hi, 0)
		if w.k == 3 {
			sizeBefore = s.widths(w, hi, 2)
		}
	}
	from := GP64() // byte offset in dy and mask
	XORQ(from, from)
	r := Load(Param("padH"), GP64()) // the number of the row
	NEGQ(r)
	rows := Load(Param("outH"), GP64())
	at := GP64()
	MOVQ(first, at)
	evens, odds := s.Zero(), s.Zero() // what the row of windows above adds to the next row

	// store stores a row of the pairs, if there is such a row, and goes to the
	// next.
	store := func(label string, evens, odds reg.VecVirtual) {
		CMPQ(r, simd.Arg("height"))
		JCC(LabelRef(label)) // also those above
		a, b := s.interleave(evens, odds)
		s.Store(a, Mem{Base: dx, Index: at, Scale: 4}, low)
		s.Store(b, Mem{Base: dx, Index: at, Scale: 4, Disp: 4 * s.Lanes}, high)
		Label(label)
		ADDQ(simd.Arg("width"), at)
		INCQ(r)
	}

	Label("row")
	for i := range 4 {
		PREFETCHT0(Mem{Base: dxAhead, Disp: 64 * i})
	}
	ADDQ(I32(4*64), dxAhead)
	PREFETCHT0(Mem{Base: dy, Index: dyAhead, Scale: 1})
	if w.max {
		PREFETCHT0(Mem{Base: in, Index: dyAhead, Scale: 1})
	}
	ADDQ(I32(64), dyAhead)
	d := s.Load(Mem{Base: dy, Index: from, Scale: 1}, sel)
	var dBefore, m, mBefore reg.VecVirtual
	if w.k == 3 {
		dBefore = s.Load(Mem{Base: dy, Index: from, Scale: 1, Disp: -4}, selBefore)
	}
	if w.max {
		m = s.Load(Mem{Base: in, Index: from, Scale: 1}, sel)
		if w.k == 3 {
			mBefore = s.Load(Mem{Base: in, Index: from, Scale: 1, Disp: -4}, selBefore)
		}
	} else {
		// The rows of the window in the padded image.
		height := Load(Param("height"), GP64())
		h := Load(Param("padH"), GP64())
		ADDQ(h, height)
		SUBQ(r, height)
		MOVQ(I32(w.k), h)
		CMPQ(height, h)
		CMOVQGT(h, height)
		x := s.BroadcastInt(height)
		VCVTDQ2PS(x, x)
		area := s.Vec()
		VMULPS(size, x, area)
		VDIVPS(area, d, d)
		if w.k == 3 {
			VMULPS(sizeBefore, x, area)
			VDIVPS(area, dBefore, dBefore)
		}
	}
	// add adds the gradients of the windows to the row of dx at at.
	add := func(evens, odds reg.VecVirtual) {
		if !w.max {
			if w.k == 3 {
				VADDPS(dBefore, evens, evens)
			}
			VADDPS(d, evens, evens)
			VADDPS(d, odds, odds)
			return
		}
		column := s.BroadcastInt(at)
		VPADDD(s.Sequence(0, 2), column, column)
		if w.k == 3 {
			s.addWhere(s.CompareInt(mBefore, column), dBefore, evens)
		}
		s.addWhere(s.CompareInt(m, column), d, evens)
		VPADDD(simd.Bits(1), column, column)
		s.addWhere(s.CompareInt(m, column), d, odds)
	}
	add(evens, odds)
	store("even", evens, odds)
	evens2, odds2 := s.Zero(), s.Zero()
	add(evens2, odds2)
	store("odd", evens2, odds2)
	s.Clear(evens)
	s.Clear(odds)
	if w.k == 3 {
		add(evens, odds) // of the row of dx that the next windows begin with
	}
	n := Load(Param("n"), GP64())
	LEAQ(Mem{Base: from, Index: n, Scale: 4}, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	if w.k == 3 {
		store("last", evens, odds)
	}

	ADDQ(I32(2*s.Lanes), first)
	ADDQ(I32(4*s.Lanes), dy)
	if w.max {
		ADDQ(I32(4*s.Lanes), in)
	}
	SUBQ(I32(2*s.Lanes), hi)
	SUBQ(I32(2*s.Lanes), lo)
	SUBQ(I32(s.Lanes), left)
	JMP(LabelRef("group"))
	Label("done")
	simd.Ret()
}

// aheadOf returns the size in bytes of a plane of (rows,columns), but at least 2 KB.
func aheadOf(rows, columns string) reg.GPVirtual {
	n, least := Load(Param(rows), GP64()).(reg.GPVirtual), GP64()
	IMULQ(simd.Arg(columns), n)
	SHLQ(U8(2), n)
	MOVQ(I32(2048), least)
	CMPQ(n, least)
	CMOVQLT(least, n)
	return n
}

// addWhere adds v to sum in the selected lanes.
func (s *set) addWhere(sel *simd.Mask, v, sum reg.VecVirtual) {
	if s.Wide {
		VADDPS(v, sum, sel.K, sum)
		return
	}
	VANDPS(v, sel.V, sel.V)
	VADDPS(sel.V, sum, sum)
}

// interleave returns a0 b0 a1 b1 ... in two vectors.
func (s *set) interleave(a, b reg.VecVirtual) (lo, hi reg.VecVirtual) {
	lo, hi = s.Vec(), s.Vec()
	if s.Wide {
		var first, second []uint32
		for i := range uint32(8) {
			first = append(first, i, 16+i)
			second = append(second, 8+i, 24+i)
		}
		index := ZMM()
		VMOVAPS(a, lo)
		VMOVUPS(simd.Words("interleaveLow", first...), index)
		VPERMT2PS(b, index, lo)
		VMOVAPS(a, hi)
		index = ZMM()
		VMOVUPS(simd.Words("interleaveHigh", second...), index)
		VPERMT2PS(b, index, hi)
		return lo, hi
	}
	t, u := YMM(), YMM()
	VUNPCKLPS(b, a, t)
	VUNPCKHPS(b, a, u)
	VPERM2F128(U8(0x20), u, t, lo)
	VPERM2F128(U8(0x31), u, t, hi)
	return lo, hi
}
