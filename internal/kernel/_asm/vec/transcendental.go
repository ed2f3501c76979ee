package vec

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// exp returns e to the power of x, which it overwrites. As in Moshier's Cephes
// library (expf.c): x is split into n·ln 2 and a rest of at most ½ ln 2, for
// which a polynomial with his coefficients does.
func (s *set) exp(x reg.VecVirtual) reg.VecVirtual {
	t := s.Vec()
	VMOVUPS(simd.Float(89), t) // above, the result is infinite; below -104 it is 0
	VMINPS(x, t, t)            // x where it is NaN
	VMOVUPS(simd.Float(-104), x)
	VMAXPS(t, x, x)

	n := s.Vec()
	VMULPS(simd.Float(1.44269504088896341), x, n)
	if s.Wide {
		VRNDSCALEPS(U8(8), n, n) // to the nearest integer
	} else {
		VROUNDPS(U8(8), n, n)
	}
	VFNMADD231PS(simd.Float(0.693359375), n, x)
	VFNMADD231PS(simd.Float(-2.12194440e-4), n, x)

	p, square := s.Vec(), s.Vec()
	VMOVUPS(simd.Float(1.9875691500e-4), p)
	for _, c := range []float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		VFMADD213PS(simd.Float(c), x, p)
	}
	VMULPS(x, x, square)
	VFMADD213PS(x, square, p)
	VADDPS(simd.Float(1), p, p)

	if s.Wide {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2ⁿ in two factors, for n is as low as -150 and as high as 128.
	first, second := YMM(), YMM()
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, first)
	VPSUBD(first, n, second)
	for _, e := range []reg.VecVirtual{first, second} {
		VPADDD(simd.Bits(127), e, e)
		VPSLLD(U8(23), e, e)
		VMULPS(e, p, p)
	}
	return p
}

// tanh returns the hyperbolic tangent of x. As in Cephes' tanhf.c: a polynomial
// below 0.625, 1 - 2/(exp(2|x|)+1) above.
func (s *set) tanh(x reg.VecVirtual) reg.VecVirtual {
	a, sign := s.Vec(), s.Vec()
	VANDPS(simd.Bits(0x7fffffff), x, a)
	VANDPS(simd.Bits(0x80000000), x, sign)
	twice := s.Vec()
	VADDPS(a, a, twice)
	e := s.exp(twice)
	VADDPS(simd.Float(1), e, e)
	big := s.Vec()
	VMOVUPS(simd.Float(2), big)
	VDIVPS(e, big, big)
	VMOVUPS(simd.Float(1), e)
	VSUBPS(big, e, big)
	VORPS(sign, big, big)

	z, p := s.Vec(), s.Vec()
	VMULPS(x, x, z)
	VMOVUPS(simd.Float(-5.70498872745e-3), p)
	for _, c := range []float32{2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1} {
		VFMADD213PS(simd.Float(c), z, p)
	}
	VMULPS(z, p, p)
	VFMADD213PS(x, x, p)
	s.Blend(s.Compare(simd.Less, a, simd.Float(0.625)), p, big)
	return big
}

// logOf1p returns the logarithm of 1 + f, which it overwrites, for 1 + f between
// the roots of 1/2 and 2, with the coefficients of Cephes' logf.c.
func (s *set) logOf1p(f reg.VecVirtual) reg.VecVirtual {
	p, square := s.Vec(), s.Vec()
	VMOVUPS(simd.Float(7.0376836292e-2), p)
	for _, c := range []float32{
		-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
	} {
		VFMADD213PS(simd.Float(c), f, p)
	}
	VMULPS(f, f, square)
	VMULPS(f, p, p)
	VADDPS(simd.Float(-0.5), p, p)
	VFMADD231PS(p, square, f)
	return f
}

// log returns the natural logarithm of x: e ln 2 + log(1+f) for x = 2^e (1+f).
func (s *set) log(x reg.VecVirtual) reg.VecVirtual {
	v, e, scaled := s.Vec(), s.Vec(), s.Vec()
	VMOVAPS(x, v)
	subnormal := s.Compare(simd.Less, x, simd.Float(0x1p-126))
	VMULPS(simd.Float(0x1p23), x, scaled)
	s.Blend(subnormal, scaled, v)
	VMOVUPS(simd.Float(23), e)
	extra := s.Pick(subnormal, e)

	exponent := s.Vec()
	VPSUBD(simd.Bits(0x3f3504f3), v, e) // the root of 1/2
	VPSRAD(U8(23), e, e)
	VPSLLD(U8(23), e, exponent)
	VPSUBD(exponent, v, v)
	VADDPS(simd.Float(-1), v, v)
	VCVTDQ2PS(e, e)
	VSUBPS(extra, e, e)

	y := s.logOf1p(v)
	VFMADD231PS(simd.Float(-2.12194440e-4), e, y) // ln 2 in two parts
	VFMADD231PS(simd.Float(0.693359375), e, y)
	largest, special := s.Vec(), s.Vec()
	VMOVUPS(simd.Float(0x1.fffffep127), largest)
	s.Blend(s.Compare(simd.Unordered, x, x), x, y)
	s.Blend(s.Compare(simd.Greater, x, largest), x, y)
	VMOVUPS(simd.Bits(0xff800000), special) // -Inf
	s.Blend(s.Compare(simd.AtMost, x, s.Zero()), special, y)
	VMOVUPS(simd.Bits(0x7fc00000), special) // NaN
	s.Blend(s.Compare(simd.Less, x, s.Zero()), special, y)
	return y
}

// logistic returns 1/(1 + exp(-x)), overwriting x.
func (s *set) logistic(x reg.VecVirtual) reg.VecVirtual {
	one := s.Vec()
	VXORPS(simd.Bits(0x80000000), x, x)
	e := s.exp(x)
	VMOVUPS(simd.Float(1), one)
	VADDPS(one, e, e)
	VDIVPS(e, one, e)
	return e
}

// bnll returns max(x, 0) + log(1 + exp(-|x|)).
func (s *set) bnll(x reg.VecVirtual) reg.VecVirtual {
	positive, f := s.Vec(), s.Vec()
	VMAXPS(x, s.Zero(), positive) // x where it is NaN
	VORPS(simd.Bits(0x80000000), x, f)
	f = s.exp(f)
	// Above the root of 2 the logarithm is ln 2 + log(1+g) with 1+g = (1+f)/2.
	g, ln2 := s.Vec(), s.Vec()
	VMOVUPS(simd.Float(0.41421356), ln2)
	halved := s.Compare(simd.Greater, f, ln2)
	VADDPS(simd.Float(-1), f, g)
	VMULPS(simd.Float(0.5), g, g)
	s.Blend(halved, g, f)
	VMOVUPS(simd.Float(0.693147181), ln2)
	ln2 = s.Pick(halved, ln2)
	y := s.logOf1p(f)
	VADDPS(ln2, y, y)
	VADDPS(positive, y, y)
	return y
}

func (s *set) transcendental() {
	s.Map(simd.Mapping{
		Name: "log", Signature: "(dst, x []float32)",
		Doc: "sets dst to the natural logarithm of x.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{s.log(in[0])} },
	})
	s.Map(simd.Mapping{
		Name: "exp", Signature: "(dst, x []float32)",
		Doc: "sets dst to e to the power of x.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{s.exp(in[0])} },
	})
	s.Map(simd.Mapping{
		Name: "tanh", Signature: "(dst, x []float32)",
		Doc: "sets dst to the hyperbolic tangent of x.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{s.tanh(in[0])} },
	})
	s.Map(simd.Mapping{
		Name: "sigmoid", Signature: "(dst, x []float32)",
		Doc: "sets dst to ½ tanh(½x) + ½.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			half := s.Vec()
			VMULPS(simd.Float(0.5), in[0], in[0])
			t := s.tanh(in[0])
			VMOVUPS(simd.Float(0.5), half)
			VFMADD213PS(half, half, t)
			return []reg.VecVirtual{t}
		},
	})
}
