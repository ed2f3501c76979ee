package norm

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// rectified writes the loops of a normalization with a rectifier. All compute in
// the same way whether z = scale·(x - mean) + shift is above zero.
func (s *set) rectified() {
	// affine replaces x by d = x - mean and returns z.
	affine := func(x, mean, scale, shift reg.VecVirtual) reg.VecVirtual {
		z := s.Vec()
		VSUBPS(mean, x, x)
		VMOVAPS(shift, z)
		VFMADD231PS(x, scale, z)
		return z
	}
	// rectified returns v where z > 0 and slope·v elsewhere.
	rectified := func(v, z, slope, zero reg.VecVirtual) reg.VecVirtual {
		low := s.Vec()
		VMULPS(slope, v, low)
		s.Blend(s.Compare(simd.Greater, z, zero), v, low)
		return low
	}
	forward := func(x, mean, scale, shift, slope reg.VecVirtual) []reg.VecVirtual {
		zero := s.Zero()
		z := affine(x, mean, scale, shift)
		y := rectified(z, z, slope, zero)
		VADDPS(zero, y, y) // not -0
		return []reg.VecVirtual{y}
	}
	s.Map(simd.Mapping{
		Name: "affineReLU", Signature: "(dst, x []float32, mean, scale, shift, slope float32)",
		Doc: "is affineReLUGeneric.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"mean", "scale", "shift", "slope"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual { return forward(in[0], c[0], c[1], c[2], c[3]) },
	})
	s.Map(simd.Mapping{
		Name: "affineReLUVectors", Signature: "(x, mean, scale, shift []float32, slope float32)",
		Doc: "is affineReLUVectorsGeneric.",
		In:  []string{"x"}, Out: []string{"x"}, Scalars: []string{"slope"}, Vectors: []string{"mean", "scale", "shift"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual { return forward(in[0], c[1], c[2], c[3], c[0]) },
	})
	s.Map(simd.Mapping{
		Name: "affineReLUGrad", Signature: "(dst, x, dy []float32, mean, scale, shift, slope, dFactor, offset float32)",
		Doc: "is affineReLUGradGeneric.",
		In:  []string{"x", "dy"}, Out: []string{"dst"},
		Scalars: []string{"mean", "scale", "shift", "slope", "dFactor", "offset"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			z := affine(in[0], c[0], c[1], c[2])
			dz := rectified(in[1], z, c[3], s.Zero())
			VADDPS(c[5], dz, dz)
			VFMADD231PS(in[0], c[4], dz)
			VMULPS(c[1], dz, dz)
			return []reg.VecVirtual{dz}
		},
	})

	s.Map(simd.Mapping{
		Name: "affineReLURow", Signature: "(dst, x, mean, scale, shift []float32, slope float32)",
		Doc: "is affineReLURowGeneric.",
		In:  []string{"x", "mean", "scale", "shift"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual { return forward(in[0], in[1], in[2], in[3], c[0]) },
	})
	s.Map(simd.Mapping{
		Name: "affineReLUGradRow", Signature: "(dst, x, dy, mean, scale, shift, dFactor, offset []float32, slope float32)",
		Doc: "is affineReLUGradRowGeneric.",
		In:  []string{"x", "dy", "mean", "scale", "shift", "dFactor", "offset"}, Out: []string{"dst"},
		Scalars: []string{"slope"}, Unroll: 1,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			z := affine(in[0], in[2], in[3], in[4])
			dz := rectified(in[1], z, c[0], s.Zero())
			VADDPS(in[6], dz, dz)
			VFMADD231PS(in[0], in[5], dz)
			VMULPS(in[3], dz, dz)
			return []reg.VecVirtual{dz}
		},
	})
	s.affineReLUSumsRow(affine, rectified)

	s.Text("affineReLUSums", "(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64)",
		"is affineReLUSumsGeneric.")
	x, dy := Load(Param("x").Base(), GP64()), Load(Param("dy").Base(), GP64())
	n := Load(Param("x").Len(), GP64())
	mean, scale, shift, slope := s.Broadcast(simd.Arg("mean")), s.Broadcast(simd.Arg("scale")), s.Broadcast(simd.Arg("shift")), s.Broadcast(simd.Arg("slope"))
	zero := s.Zero()
	// The sums of the lower and of the upper halves of the vectors.
	sums, dots := [2]reg.VecVirtual{s.Zero(), s.Zero()}, [2]reg.VecVirtual{s.Zero(), s.Zero()}
	at := GP64()
	XORQ(at, at)
	step := func(sel *simd.Mask) {
		d := s.Load(Mem{Base: x, Index: at, Scale: 1}, sel)
		g := s.Load(Mem{Base: dy, Index: at, Scale: 1}, sel)
		dz := rectified(g, affine(d, mean, scale, shift), slope, zero)
		for i := range 2 {
			v, u := s.Vec(), s.Vec()
			VCVTPS2PD(s.halfOf(dz, i), v)
			VCVTPS2PD(s.halfOf(d, i), u)
			VADDPD(v, sums[i], sums[i])
			VFMADD231PD(v, u, dots[i])
		}
	}
	Label("loop")
	CMPQ(n, I32(s.Lanes))
	JL(LabelRef("loopEnd"))
	step(nil)
	ADDQ(I32(4*s.Lanes), at)
	SUBQ(I32(s.Lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(s.Mask(n, 0))
	Label("done")
	VADDPD(sums[1], sums[0], sums[0])
	VADDPD(dots[1], dots[0], dots[0])
	VMOVSD(s.Horizontal(sums[0], VADDPD), simd.Result(0))
	VMOVSD(s.Horizontal(dots[0], VADDPD), simd.Result(1))
	simd.Ret()
}

// affineReLUSumsRow writes the loop that adds a row to the sums of its columns.
func (s *set) affineReLUSumsRow(affine, rectified func(a, b, c, d reg.VecVirtual) reg.VecVirtual) {
	s.Text("affineReLUSumsRow", "(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64)",
		"is affineReLUSumsRowGeneric.")
	base := map[string]reg.Register{}
	for _, name := range []string{"x", "dy", "mean", "scale", "shift", "sum", "dot"} {
		base[name] = Load(Param(name).Base(), GP64())
	}
	n := Load(Param("x").Len(), GP64())
	slope, zero := s.Broadcast(simd.Arg("slope")), s.Zero()
	at := GP64() // byte offset in the slices of float32
	XORQ(at, at)
	step := func(sel *simd.Mask, halves [2]*simd.Mask) {
		load := func(name string) reg.VecVirtual { return s.Load(Mem{Base: base[name], Index: at, Scale: 1}, sel) }
		d, g := load("x"), load("dy")
		dz := rectified(g, affine(d, load("mean"), load("scale"), load("shift")), slope, zero)
		for i := range 2 {
			v, u := s.Vec(), s.Vec()
			VCVTPS2PD(s.halfOf(dz, i), v)
			VCVTPS2PD(s.halfOf(d, i), u)
			sums := Mem{Base: base["sum"], Index: at, Scale: 2, Disp: 4 * s.Lanes * i}
			dots := Mem{Base: base["dot"], Index: at, Scale: 2, Disp: 4 * s.Lanes * i}
			VMULPD(v, u, u)
			s.addDouble(v, sums, halves[i])
			s.addDouble(u, dots, halves[i])
		}
	}
	Label("loop")
	CMPQ(n, I32(s.Lanes))
	JL(LabelRef("loopEnd"))
	step(nil, [2]*simd.Mask{})
	ADDQ(I32(4*s.Lanes), at)
	SUBQ(I32(s.Lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(s.Mask(n, 0), [2]*simd.Mask{s.doubleMask(n, 0), s.doubleMask(n, 1)})
	Label("done")
	simd.Ret()
}

// doubleMask returns the mask of the float64 that half i of a vector of n
// float32 makes.
func (s *set) doubleMask(n reg.Register, i int) *simd.Mask {
	m := s.Mask(n, i*s.Lanes/2)
	if !s.Wide {
		long := YMM()
		VPMOVSXDQ(m.V.AsX(), long)
		m.V = long
	}
	return m
}

// addDouble adds the selected float64 of v to those at m.
func (s *set) addDouble(v reg.VecVirtual, m Mem, sel *simd.Mask) {
	switch {
	case sel == nil:
		VADDPD(m, v, v)
		VMOVUPD(v, m)
	case s.Wide:
		old := s.Vec()
		VMOVUPD_Z(m, sel.K, old)
		VADDPD(old, v, v)
		VMOVUPD(v, sel.K, m)
	default:
		old := s.Vec()
		VMASKMOVPD(m, sel.V, old)
		VADDPD(old, v, v)
		VMASKMOVPD(v, sel.V, m)
	}
}

// halfOf returns the lower (i is 0) or upper half of the float32 in v.
func (s *set) halfOf(v reg.VecVirtual, i int) reg.Register {
	switch {
	case i == 0 && s.Wide:
		return v.AsY()
	case i == 0:
		return v.AsX()
	case s.Wide:
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		return upper
	}
	upper := XMM()
	VEXTRACTF128(U8(1), v, upper)
	return upper
}
