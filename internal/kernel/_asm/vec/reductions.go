package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reduction is a loop that adds in float64: lanes/2 numbers at a time, made
// float64, into vectors of as many sums.
type reduction struct {
	name, signature, doc string
	in                   []string
	results              int

	// body adds in to the sums, one vector a result. Lanes that do not count are
	// 0 in in.
	body func(in, sums []reg.VecVirtual)
}

func (s *set) reduction(r reduction) {
	const unroll = 4
	lanes := s.lanes / 2
	s.text(r.name, r.signature, r.doc)
	var base []reg.Register
	for _, name := range r.in {
		base = append(base, Load(Param(name).Base(), GP64()))
	}
	n := Load(Param(r.in[0]).Len(), GP64())
	var sums [unroll][]reg.VecVirtual
	for u := range sums {
		for range r.results {
			sums[u] = append(sums[u], s.zero())
		}
	}
	at := GP64()
	XORQ(at, at)

	step := func(u int, sel *mask) {
		var in []reg.VecVirtual
		for i := range r.in {
			from := Mem{Base: base[i], Index: at, Scale: 1, Disp: 4 * lanes * u}
			v := s.vec()
			if sel == nil {
				VCVTPS2PD(from, v)
			} else {
				h := s.half()
				s.loadTo(from, sel, h)
				VCVTPS2PD(h, v)
			}
			in = append(in, v)
		}
		r.body(in, sums[u])
	}
	Label("loop")
	CMPQ(n, I32(unroll*lanes))
	JL(LabelRef("loopEnd"))
	for u := range unroll {
		step(u, nil)
	}
	ADDQ(I32(4*unroll*lanes), at)
	SUBQ(I32(unroll*lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")

	Label("single")
	CMPQ(n, I32(lanes))
	JL(LabelRef("singleEnd"))
	step(0, nil)
	ADDQ(I32(4*lanes), at)
	SUBQ(I32(lanes), n)
	JMP(LabelRef("single"))
	Label("singleEnd")

	TESTQ(n, n)
	JZ(LabelRef("done"))
	// The rest goes to the second sums, whose place in the memory is one vector
	// further than the first.
	SUBQ(I32(4*lanes), at)
	step(1, s.mask(n, 0))
	Label("done")

	for i := range r.results {
		VADDPD(sums[1][i], sums[0][i], sums[0][i])
		VADDPD(sums[3][i], sums[2][i], sums[2][i])
		VADDPD(sums[2][i], sums[0][i], sums[0][i])
		VMOVSD(s.horizontal(sums[0][i], VADDPD), result(i))
	}
	ret()
}

// horizontal combines the float64 lanes of v, which it overwrites, in the order
// of a tree.
func (s *set) horizontal(v reg.VecVirtual, op func(...Op)) reg.Register {
	y := v.AsY()
	if s.wide {
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		op(upper, y, y)
	}
	upper := XMM()
	VEXTRACTF128(U8(1), y, upper)
	x := v.AsX()
	op(upper, x, x)
	VPERMILPD(U8(1), x, upper)
	op(upper, x, x)
	return x
}

func (s *set) reductions() {
	s.reduction(reduction{
		name: "sum", signature: "(x []float32) float64",
		doc: "returns the sum of x.",
		in:  []string{"x"}, results: 1,
		body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
		},
	})
	s.reduction(reduction{
		name: "asum", signature: "(x []float32) float64",
		doc: "returns the sum of |x|.",
		in:  []string{"x"}, results: 1,
		body: func(in, sums []reg.VecVirtual) {
			VANDPD(double(0x7fffffffffffffff), in[0], in[0])
			VADDPD(in[0], sums[0], sums[0])
		},
	})
	s.reduction(reduction{
		name: "sumSq", signature: "(x []float32) float64",
		doc: "returns the sum of x².",
		in:  []string{"x"}, results: 1,
		body: func(in, sums []reg.VecVirtual) {
			VFMADD231PD(in[0], in[0], sums[0])
		},
	})
	s.reduction(reduction{
		name: "sumAndSq", signature: "(x []float32) (sum, sq float64)",
		doc: "returns the sums of x and of x².",
		in:  []string{"x"}, results: 2,
		body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
			VFMADD231PD(in[0], in[0], sums[1])
		},
	})
	s.reduction(reduction{
		name: "dot", signature: "(a, b []float32) float64",
		doc: "returns the inner product of a and b.",
		in:  []string{"a", "b"}, results: 1,
		body: func(in, sums []reg.VecVirtual) {
			VFMADD231PD(in[0], in[1], sums[0])
		},
	})
	s.reduction(reduction{
		name: "sumDot", signature: "(a, b []float32) (sum, dot float64)",
		doc: "returns the sum of a and the inner product of a and b.",
		in:  []string{"a", "b"}, results: 2,
		body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
			VFMADD231PD(in[0], in[1], sums[1])
		},
	})
	s.max()
	s.anyNonFinite()
}

// fold writes a loop over x that combines whole vectors into four accumulators,
// then the rest into the first of them.
func (s *set) fold(acc []reg.VecVirtual, step func(from Mem, sel *mask, acc reg.VecVirtual)) {
	x := Load(Param("x").Base(), GP64())
	n := Load(Param("x").Len(), GP64())
	Label("loop")
	CMPQ(n, I32(len(acc)*s.lanes))
	JL(LabelRef("loopEnd"))
	for u := range acc {
		step(Mem{Base: x, Disp: 4 * s.lanes * u}, nil, acc[u])
	}
	ADDQ(I32(4*s.lanes*len(acc)), x)
	SUBQ(I32(s.lanes*len(acc)), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")

	Label("single")
	CMPQ(n, I32(s.lanes))
	JL(LabelRef("singleEnd"))
	step(Mem{Base: x}, nil, acc[0])
	ADDQ(I32(4*s.lanes), x)
	SUBQ(I32(s.lanes), n)
	JMP(LabelRef("single"))
	Label("singleEnd")

	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(Mem{Base: x}, s.mask(n, 0), acc[0])
	Label("done")
}

// narrow combines the float32 lanes of the accumulators into one.
func (s *set) narrow(acc []reg.VecVirtual, op func(...Op)) reg.Register {
	for _, v := range acc[1:] {
		op(v, acc[0], acc[0])
	}
	x := s.horizontal(acc[0], op)
	upper := XMM()
	VPERMILPS(U8(1), x, upper)
	op(upper, x, x)
	return x
}

func (s *set) max() {
	s.text("max", "(x []float32) float32", "returns the largest of x, passing over NaN.")
	var acc []reg.VecVirtual
	for range 4 {
		v := s.vec()
		VMOVUPS(bits(0xff800000), v) // -Inf
		acc = append(acc, v)
	}
	s.fold(acc, func(from Mem, sel *mask, acc reg.VecVirtual) {
		v := s.load(from, sel)
		if sel != nil {
			rest := s.vec()
			VMOVUPS(bits(0xff800000), rest)
			s.blend(sel, v, rest)
			v = rest
		}
		VMAXPS(acc, v, acc) // acc where v is NaN
	})
	VMOVSS(s.narrow(acc, VMAXPS), result(0))
	ret()
}

func (s *set) anyNonFinite() {
	s.text("anyNonFinite", "(x []float32) bool", "tells whether x holds a NaN or an infinity: 0·x is NaN for them.")
	var acc []reg.VecVirtual
	for range 4 {
		acc = append(acc, s.zero())
	}
	zero := s.zero()
	s.fold(acc, func(from Mem, sel *mask, acc reg.VecVirtual) {
		VFMADD231PS(s.load(from, sel), zero, acc)
	})
	total := s.narrow(acc, VADDPS)
	VUCOMISS(total, total)
	found := GP8()
	SETPS(found)
	MOVB(found, result(0))
	ret()
}
