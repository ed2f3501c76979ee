package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exp returns e to the power of x, which it overwrites. As in Moshier's Cephes
// library (expf.c): x is split into n·ln 2 and a rest of at most ½ ln 2, for
// which a polynomial with his coefficients does.
func (s *set) exp(x reg.VecVirtual) reg.VecVirtual {
	t := s.vec()
	VMOVUPS(number(89), t) // above, the result is infinite; below -104 it is 0
	VMINPS(x, t, t)        // x where it is NaN
	VMOVUPS(number(-104), x)
	VMAXPS(t, x, x)

	n := s.vec()
	VMULPS(number(1.44269504088896341), x, n)
	if s.wide {
		VRNDSCALEPS(U8(8), n, n) // to the nearest integer
	} else {
		VROUNDPS(U8(8), n, n)
	}
	VFNMADD231PS(number(0.693359375), n, x)
	VFNMADD231PS(number(-2.12194440e-4), n, x)

	p, square := s.vec(), s.vec()
	VMOVUPS(number(1.9875691500e-4), p)
	for _, c := range []float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		VFMADD213PS(number(c), x, p)
	}
	VMULPS(x, x, square)
	VFMADD213PS(x, square, p)
	VADDPS(number(1), p, p)

	if s.wide {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2ⁿ in two factors, for n is as low as -150 and as high as 128.
	first, second := YMM(), YMM()
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, first)
	VPSUBD(first, n, second)
	for _, e := range []reg.VecVirtual{first, second} {
		VPADDD(bits(127), e, e)
		VPSLLD(U8(23), e, e)
		VMULPS(e, p, p)
	}
	return p
}

// tanh returns the hyperbolic tangent of x. As in Cephes' tanhf.c: a polynomial
// below 0.625, 1 - 2/(exp(2|x|)+1) above.
func (s *set) tanh(x reg.VecVirtual) reg.VecVirtual {
	a, sign := s.vec(), s.vec()
	VANDPS(bits(0x7fffffff), x, a)
	VANDPS(bits(0x80000000), x, sign)
	twice := s.vec()
	VADDPS(a, a, twice)
	e := s.exp(twice)
	VADDPS(number(1), e, e)
	big := s.vec()
	VMOVUPS(number(2), big)
	VDIVPS(e, big, big)
	VMOVUPS(number(1), e)
	VSUBPS(big, e, big)
	VORPS(sign, big, big)

	z, p := s.vec(), s.vec()
	VMULPS(x, x, z)
	VMOVUPS(number(-5.70498872745e-3), p)
	for _, c := range []float32{2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1} {
		VFMADD213PS(number(c), z, p)
	}
	VMULPS(z, p, p)
	VFMADD213PS(x, x, p)
	s.blend(s.compare(less, a, number(0.625)), p, big)
	return big
}

func (s *set) transcendental() {
	s.mapping(mapping{
		name: "exp", signature: "(dst, x []float32)",
		doc: "sets dst to e to the power of x.",
		in:  []string{"x"}, out: []string{"dst"}, unroll: 2,
		body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{s.exp(in[0])} },
	})
	s.mapping(mapping{
		name: "tanh", signature: "(dst, x []float32)",
		doc: "sets dst to the hyperbolic tangent of x.",
		in:  []string{"x"}, out: []string{"dst"}, unroll: 2,
		body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{s.tanh(in[0])} },
	})
	s.mapping(mapping{
		name: "sigmoid", signature: "(dst, x []float32)",
		doc: "sets dst to ½ tanh(½x) + ½.",
		in:  []string{"x"}, out: []string{"dst"}, unroll: 2,
		body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			half := s.vec()
			VMULPS(number(0.5), in[0], in[0])
			t := s.tanh(in[0])
			VMOVUPS(number(0.5), half)
			VFMADD213PS(half, half, t)
			return []reg.VecVirtual{t}
		},
	})
}
