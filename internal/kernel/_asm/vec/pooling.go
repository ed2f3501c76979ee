package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// poolRow writes a loop over a row of windows of kh·kw numbers, stride columns
// apart: lanes windows at a time, over whose numbers each is called in order of
// rows and columns. head begins a group of windows, and tail, given the mask of
// those that exist, ends it. nextRow follows each row of the window.
func (s *set) poolRow(stride int, head func(), each func(v reg.VecVirtual), nextRow func(), tail func(sel *mask)) {
	x := Load(Param("x").Base(), GP64())
	width := Load(Param("width"), GP64())
	SHLQ(U8(2), width)
	n := Load(Param("y").Len(), GP64())

	Label("group")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	count := GP64() // windows in this group
	MOVQ(n, count)
	CMPQ(count, I32(s.lanes))
	JLE(LabelRef("counted"))
	MOVQ(I32(s.lanes), count)
	Label("counted")
	sel := s.mask(count, 0)
	low, high := sel, sel
	if stride == 2 {
		// The last window's first column is 2·count-2; the one behind it may lie
		// behind the end of x.
		columns := GP64()
		LEAQ(Mem{Base: count, Index: count, Scale: 1, Disp: -1}, columns)
		low, high = s.mask(columns, 0), s.mask(columns, s.lanes)
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
	v := s.load(Mem{Base: at}, low)
	if stride == 2 {
		v = s.evens(v, s.load(Mem{Base: at, Disp: 4 * s.lanes}, high))
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
	ADDQ(I32(4*s.lanes*stride), x)
	SUBQ(count, n)
	JMP(LabelRef("group"))
	Label("done")
	ret()
}

func (s *set) maxPoolRow(stride int) {
	s.text(fmt.Sprintf("maxPoolRow%d", stride),
		"(x []float32, width, kh, kw, first int, y []float32, mask []int32)",
		fmt.Sprintf("is maxPoolRowGeneric with stride %d.", stride))
	y := Load(Param("y").Base(), GP64())
	out := Load(Param("mask").Base(), GP64())
	first := s.broadcastInt(Load(Param("first"), GP64())) // the indices of the group's first numbers
	VPADDD(s.lanesFrom(0, stride), first, first)
	width := Load(Param("width"), GP64())
	SUBQ(param("kw"), width)
	skip := s.broadcastInt(width) // from the end of one row of the window to the next
	one := s.vec()
	VMOVUPS(bits(1), one)

	best, index, where := s.vec(), s.vec(), s.vec()
	s.poolRow(stride, func() {
		VMOVUPS(number(-math.MaxFloat32), best)
		VMOVUPS(bits(math.MaxUint32), where)
		VMOVUPS(first, index)
	}, func(v reg.VecVirtual) {
		sel := s.compare(greater, v, best)
		s.blend(sel, v, best)
		s.blend(sel, index, where)
		VPADDD(one, index, index)
	}, func() {
		VPADDD(skip, index, index)
	}, func(sel *mask) {
		s.store(best, Mem{Base: y}, sel)
		s.store(where, Mem{Base: out}, sel)
		ADDQ(I32(4*s.lanes), y)
		ADDQ(I32(4*s.lanes), out)
		VPADDD(bits(uint32(s.lanes*stride)), first, first)
	})
}

func (s *set) avePoolRow(stride int) {
	s.text(fmt.Sprintf("avePoolRow%d", stride),
		"(x []float32, width, kh, kw int, size float32, y []float32)",
		fmt.Sprintf("is avePoolRowGeneric with stride %d.", stride))
	y := Load(Param("y").Base(), GP64())
	size := s.broadcast(param("size"))
	sum := s.vec()
	s.poolRow(stride, func() {
		VXORPS(sum, sum, sum)
	}, func(v reg.VecVirtual) {
		VADDPS(v, sum, sum)
	}, func() {
	}, func(sel *mask) {
		VDIVPS(size, sum, sum)
		s.store(sum, Mem{Base: y}, sel)
		ADDQ(I32(4*s.lanes), y)
	})
}

func (s *set) pooling() {
	for stride := 1; stride <= 2; stride++ {
		s.maxPoolRow(stride)
		s.avePoolRow(stride)
	}
	for _, w := range []windows{{k: 2, stride: 2}, {k: 3, stride: 2}, {k: 3, stride: 1}} {
		for _, w.max = range []bool{true, false} {
			s.pool(w)
			if w.stride == 2 {
				s.unpool(w)
			}
		}
	}
}
