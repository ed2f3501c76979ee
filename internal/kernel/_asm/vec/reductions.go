package vec

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// reductions writes the sums, max and anyNonFinite.
func (s *set) reductions() {
	s.Reduce(simd.Reduction{
		Name: "sum", Signature: "(x []float32) float64",
		Doc: "returns the sum of x.",
		In:  []string{"x"}, Results: 1,
		Body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
		},
	})
	s.Reduce(simd.Reduction{
		Name: "asum", Signature: "(x []float32) float64",
		Doc: "returns the sum of |x|.",
		In:  []string{"x"}, Results: 1,
		Body: func(in, sums []reg.VecVirtual) {
			VANDPD(simd.Bits64(0x7fffffffffffffff), in[0], in[0])
			VADDPD(in[0], sums[0], sums[0])
		},
	})
	s.Reduce(simd.Reduction{
		Name: "sumSq", Signature: "(x []float32) float64",
		Doc: "returns the sum of x².",
		In:  []string{"x"}, Results: 1,
		Body: func(in, sums []reg.VecVirtual) {
			VFMADD231PD(in[0], in[0], sums[0])
		},
	})
	s.Reduce(simd.Reduction{
		Name: "dot", Signature: "(a, b []float32) float64",
		Doc: "returns the inner product of a and b.",
		In:  []string{"a", "b"}, Results: 1,
		Body: func(in, sums []reg.VecVirtual) {
			VFMADD231PD(in[0], in[1], sums[0])
		},
	})
	s.max()
	s.anyNonFinite()
}

// fold writes a loop over x that combines whole vectors into four accumulators,
// then the rest into the first of them.
func (s *set) fold(acc []reg.VecVirtual, step func(from Mem, sel *simd.Mask, acc reg.VecVirtual)) {
	x := Load(Param("x").Base(), GP64())
	n := Load(Param("x").Len(), GP64())
	Label("loop")
	CMPQ(n, I32(len(acc)*s.Lanes))
	JL(LabelRef("loopEnd"))
	for u := range acc {
		step(Mem{Base: x, Disp: 4 * s.Lanes * u}, nil, acc[u])
	}
	ADDQ(I32(4*s.Lanes*len(acc)), x)
	SUBQ(I32(s.Lanes*len(acc)), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")

	Label("single")
	CMPQ(n, I32(s.Lanes))
	JL(LabelRef("singleEnd"))
	step(Mem{Base: x}, nil, acc[0])
	ADDQ(I32(4*s.Lanes), x)
	SUBQ(I32(s.Lanes), n)
	JMP(LabelRef("single"))
	Label("singleEnd")

	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(Mem{Base: x}, s.Mask(n, 0), acc[0])
	Label("done")
}

// narrow combines the float32 lanes of the accumulators into one.
func (s *set) narrow(acc []reg.VecVirtual, op func(...Op)) reg.Register {
	for _, v := range acc[1:] {
		op(v, acc[0], acc[0])
	}
	x := s.Horizontal(acc[0], op)
	upper := XMM()
	VPERMILPS(U8(1), x, upper)
	op(upper, x, x)
	return x
}

func (s *set) max() {
	s.Text("max", "(x []float32) float32", "returns the largest of x, passing over NaN.")
	var acc []reg.VecVirtual
	for range 4 {
		v := s.Vec()
		VMOVUPS(simd.Bits(0xff800000), v) // -Inf
		acc = append(acc, v)
	}
	s.fold(acc, func(from Mem, sel *simd.Mask, acc reg.VecVirtual) {
		v := s.Load(from, sel)
		if sel != nil {
			rest := s.Vec()
			VMOVUPS(simd.Bits(0xff800000), rest)
			s.Blend(sel, v, rest)
			v = rest
		}
		VMAXPS(acc, v, acc) // acc where v is NaN
	})
	VMOVSS(s.narrow(acc, VMAXPS), simd.Result(0))
	simd.Ret()
}

func (s *set) anyNonFinite() {
	s.Text("anyNonFinite", "(x []float32) bool", "reports whether x holds a NaN or an infinity: 0·x is NaN for them.")
	var acc []reg.VecVirtual
	for range 4 {
		acc = append(acc, s.Zero())
	}
	zero := s.Zero()
	s.fold(acc, func(from Mem, sel *simd.Mask, acc reg.VecVirtual) {
		VFMADD231PS(s.Load(from, sel), zero, acc)
	})
	total := s.narrow(acc, VADDPS)
	VUCOMISS(total, total)
	found := GP8()
	SETPS(found)
	MOVB(found, simd.Result(0))
	simd.Ret()
}
