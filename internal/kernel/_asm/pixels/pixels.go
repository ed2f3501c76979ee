// Package pixels writes the loops of package pixels: from bytes to float32.
package pixels

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		s.pixels("pixels", false, false)
		s.pixels("pixelsMirrored", false, true)
		s.pixels("pixelsMeans", true, false)
		s.pixels("pixelsMeansMirrored", true, true)
	}
}

// pixels writes a loop from bytes to float32, for whole vectors only.
func (s *set) pixels(name string, means, mirrored bool) {
	signature, doc := "(dst []float32, x []byte, mean, scale float32)", "sets dst to (x - mean)·scale"
	if means {
		signature, doc = "(dst []float32, x []byte, means []float32, scale float32)", "sets dst to (x - means)·scale"
	}
	if mirrored {
		doc += ", from the last element to the first"
	}
	s.Text(name, signature, doc+". The length is a multiple of that of a vector.")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	scale, order, mean := s.Broadcast(simd.Arg("scale")), s.Vec(), s.Vec()
	var from reg.Register
	if means {
		from = Load(Param("means").Base(), GP64())
	} else {
		VBROADCASTSS(simd.Arg("mean"), mean)
	}
	step := I32(4 * s.Lanes)
	if mirrored {
		VMOVUPS(s.Sequence(s.Lanes-1, -1), order)
		LEAQ(Mem{Base: dst, Index: n, Scale: 4, Disp: -4 * s.Lanes}, dst)
		step = I32(-4 * s.Lanes)
	}
	Label("loop")
	CMPQ(n, I32(s.Lanes))
	JL(LabelRef("done"))
	v := s.Vec()
	VPMOVZXBD(Mem{Base: x}, v)
	VCVTDQ2PS(v, v)
	if means {
		VSUBPS(Mem{Base: from}, v, v)
		ADDQ(I32(4*s.Lanes), from)
	} else {
		VSUBPS(mean, v, v)
	}
	VMULPS(scale, v, v)
	if mirrored {
		VPERMPS(v, order, v)
	}
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(step, dst)
	ADDQ(I32(s.Lanes), x)
	SUBQ(I32(s.Lanes), n)
	JMP(LabelRef("loop"))
	Label("done")
	simd.Ret()
}
