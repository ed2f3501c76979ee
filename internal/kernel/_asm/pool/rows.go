package pool

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// poolRow writes a loop over a row of windows of (kh,kw), stride columns apart: a
// vector of windows at a time, for whose elements each is called in order of rows and
// columns. head begins a group of windows, and tail, given the mask of
// those that exist, ends it. nextRow follows each row of the window.
func (s *set) poolRow(stride int, head func(), each func(v reg.VecVirtual), nextRow func(), tail func(sel *simd.Mask)) {
	x := Load(Param("x").Base(), GP64())
	width := Load(Param("width"), GP64())
	SHLQ(U8(2), width)
	n := Load(Param("y").Len(), GP64())

	Label("group")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	count := GP64() // windows in this group
	MOVQ(n, count)
	CMPQ(count, I32(s.Lanes))
	JLE(LabelRef("counted"))
	MOVQ(I32(s.Lanes), count)
	Label("counted")
	sel := s.Mask(count, 0)
	low, high := sel, sel
	if stride == 2 {
		// The last window's first column is 2·count-2; the next one may be behind the
		// end of x.
		columns := GP64()
		LEAQ(Mem{Base: count, Index: count, Scale: 1, Disp: -1}, columns)
		low, high = s.Mask(columns, 0), s.Mask(columns, s.Lanes)
	}
	head()

	row, h := GP64(), GP64()
	MOVQ(x, row)
	Load(Param("kh"), h)
	Label("row")
	at, w := GP64(), GP64()
	MOVQ(row, at)
	Load(Param("kw"), w)
	Label("column")
	v := s.Load(Mem{Base: at}, low)
	if stride == 2 {
		v = s.evens(v, s.Load(Mem{Base: at, Disp: 4 * s.Lanes}, high))
	}
	each(v)
	ADDQ(I32(4), at)
	DECQ(w)
	JNZ(LabelRef("column"))
	ADDQ(width, row)
	nextRow()
	DECQ(h)
	JNZ(LabelRef("row"))

	tail(sel)
	ADDQ(I32(4*s.Lanes*stride), x)
	SUBQ(count, n)
	JMP(LabelRef("group"))
	Label("done")
	simd.Ret()
}

func (s *set) maxRow(stride int) {
	s.Text(fmt.Sprintf("maxRow%d", stride),
		"(x []float32, width, kh, kw, first int, y []float32, mask []int32)",
		fmt.Sprintf("is maxRowGeneric with stride %d.", stride))
	y := Load(Param("y").Base(), GP64())
	out := Load(Param("mask").Base(), GP64())
	first := s.BroadcastInt(Load(Param("first"), GP64())) // the indices of the first elements of the group's windows
	VPADDD(s.Sequence(0, stride), first, first)
	width := Load(Param("width"), GP64())
	SUBQ(simd.Arg("kw"), width)
	skip := s.BroadcastInt(width) // from the end of one row of the window to the next
	one := s.Vec()
	VMOVUPS(simd.Bits(1), one)

	best, index, where := s.Vec(), s.Vec(), s.Vec()
	s.poolRow(stride, func() {
		VMOVUPS(simd.Float(-math.MaxFloat32), best)
		VMOVUPS(simd.Bits(math.MaxUint32), where)
		VMOVUPS(first, index)
	}, func(v reg.VecVirtual) {
		sel := s.Compare(simd.Greater, v, best)
		s.Blend(sel, v, best)
		s.Blend(sel, index, where)
		VPADDD(one, index, index)
	}, func() {
		VPADDD(skip, index, index)
	}, func(sel *simd.Mask) {
		s.Store(best, Mem{Base: y}, sel)
		s.Store(where, Mem{Base: out}, sel)
		ADDQ(I32(4*s.Lanes), y)
		ADDQ(I32(4*s.Lanes), out)
		VPADDD(simd.Bits(uint32(s.Lanes*stride)), first, first)
	})
}

func (s *set) aveRow(stride int) {
	s.Text(fmt.Sprintf("aveRow%d", stride),
		"(x []float32, width, kh, kw int, size float32, y []float32)",
		fmt.Sprintf("is aveRowGeneric with stride %d.", stride))
	y := Load(Param("y").Base(), GP64())
	size := s.Broadcast(simd.Arg("size"))
	sum := s.Vec()
	s.poolRow(stride, func() {
		VXORPS(sum, sum, sum)
	}, func(v reg.VecVirtual) {
		VADDPS(v, sum, sum)
	}, func() {
	}, func(sel *simd.Mask) {
		VDIVPS(size, sum, sum)
		s.Store(sum, Mem{Base: y}, sel)
		ADDQ(I32(4*s.Lanes), y)
	})
}

// evens returns every second lane of the 2·lanes float32 at lo and hi, which it
// overwrites.
func (s *set) evens(lo, hi reg.VecVirtual) reg.VecVirtual {
	if s.Wide {
		index := ZMM()
		VMOVUPS(s.Sequence(0, 2), index)
		VPERMT2PS(hi, index, lo)
		return lo
	}
	VSHUFPS(U8(0x88), hi, lo, lo)
	VPERMPD(U8(0xD8), lo, lo)
	return lo
}
