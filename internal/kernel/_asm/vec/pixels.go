package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pixels writes the loops that make float32 of bytes, whole vectors only.
func (s *set) pixels(name string, means, mirrored bool) {
	signature, doc := "(dst []float32, x []byte, mean, scale float32)", "sets dst to (x - mean)·scale"
	if means {
		signature, doc = "(dst []float32, x []byte, means []float32, scale float32)", "sets dst to (x - means)·scale"
	}
	if mirrored {
		doc += ", from the last number to the first"
	}
	s.text(name, signature, doc+". The length is a multiple of that of a vector.")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	scale, order, mean := s.broadcast(param("scale")), s.vec(), s.vec()
	var from reg.Register
	if means {
		from = Load(Param("means").Base(), GP64())
	} else {
		VBROADCASTSS(param("mean"), mean)
	}
	step := I32(4 * s.lanes)
	if mirrored {
		VMOVUPS(s.lanesFrom(s.lanes-1, -1), order)
		LEAQ(Mem{Base: dst, Index: n, Scale: 4, Disp: -4 * s.lanes}, dst)
		step = I32(-4 * s.lanes)
	}
	Label("loop")
	CMPQ(n, I32(s.lanes))
	JL(LabelRef("done"))
	v := s.vec()
	VPMOVZXBD(Mem{Base: x}, v)
	VCVTDQ2PS(v, v)
	if means {
		VSUBPS(Mem{Base: from}, v, v)
		ADDQ(I32(4*s.lanes), from)
	} else {
		VSUBPS(mean, v, v)
	}
	VMULPS(scale, v, v)
	if mirrored {
		VPERMPS(v, order, v)
	}
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(step, dst)
	ADDQ(I32(s.lanes), x)
	SUBQ(I32(s.lanes), n)
	JMP(LabelRef("loop"))
	Label("done")
	ret()
}
