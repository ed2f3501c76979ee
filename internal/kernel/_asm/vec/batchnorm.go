package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// batchNorm writes the loops of a normalization with a rectifier. All find in
// the same way whether z = scale·(x - mean) + shift is above zero.
func (s *set) batchNorm() {
	// affine replaces x by d = x - mean and returns z.
	affine := func(x, mean, scale, shift reg.VecVirtual) reg.VecVirtual {
		z := s.vec()
		VSUBPS(mean, x, x)
		VMOVAPS(shift, z)
		VFMADD231PS(x, scale, z)
		return z
	}
	// rectified returns v where z > 0 and slope·v elsewhere.
	rectified := func(v, z, slope, zero reg.VecVirtual) reg.VecVirtual {
		low := s.vec()
		VMULPS(slope, v, low)
		s.blend(s.compare(greater, z, zero), v, low)
		return low
	}
	s.mapping(mapping{
		name: "normRectify", signature: "(dst, x []float32, mean, scale, shift, slope float32)",
		doc: "is normRectifyGeneric.",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"mean", "scale", "shift", "slope"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero := s.zero()
			z := affine(in[0], c[0], c[1], c[2])
			y := rectified(z, z, c[3], zero)
			VADDPS(zero, y, y) // not -0
			return []reg.VecVirtual{y}
		},
	})
	s.mapping(mapping{
		name: "normRectifyGrad", signature: "(dst, x, dy []float32, mean, scale, shift, slope, ofD, constant float32)",
		doc: "is normRectifyGradGeneric.",
		in:  []string{"x", "dy"}, out: []string{"dst"},
		scalars: []string{"mean", "scale", "shift", "slope", "ofD", "constant"}, unroll: 2,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			z := affine(in[0], c[0], c[1], c[2])
			dz := rectified(in[1], z, c[3], s.zero())
			VADDPS(c[5], dz, dz)
			VFMADD231PS(in[0], c[4], dz)
			VMULPS(c[1], dz, dz)
			return []reg.VecVirtual{dz}
		},
	})

	s.mapping(mapping{
		name: "normRectifyRow", signature: "(dst, x, mean, scale, shift []float32, slope float32)",
		doc: "is normRectifyRowGeneric.",
		in:  []string{"x", "mean", "scale", "shift"}, out: []string{"dst"}, scalars: []string{"slope"}, unroll: 2,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero := s.zero()
			z := affine(in[0], in[1], in[2], in[3])
			y := rectified(z, z, c[0], zero)
			VADDPS(zero, y, y) // not -0
			return []reg.VecVirtual{y}
		},
	})
	s.mapping(mapping{
		name: "normRectifyGradRow", signature: "(dst, x, dy, mean, scale, shift, ofD, constant []float32, slope float32)",
		doc: "is normRectifyGradRowGeneric.",
		in:  []string{"x", "dy", "mean", "scale", "shift", "ofD", "constant"}, out: []string{"dst"},
		scalars: []string{"slope"}, unroll: 1,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			z := affine(in[0], in[2], in[3], in[4])
			dz := rectified(in[1], z, c[0], s.zero())
			VADDPS(in[6], dz, dz)
			VFMADD231PS(in[0], in[5], dz)
			VMULPS(in[3], dz, dz)
			return []reg.VecVirtual{dz}
		},
	})
	s.normRectifySumsRow(affine, rectified)

	s.text("normRectifySums", "(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64)",
		"is normRectifySumsGeneric.")
	x, dy := Load(Param("x").Base(), GP64()), Load(Param("dy").Base(), GP64())
	n := Load(Param("x").Len(), GP64())
	mean, scale, shift, slope := s.broadcast(param("mean")), s.broadcast(param("scale")), s.broadcast(param("shift")), s.broadcast(param("slope"))
	zero := s.zero()
	// The sums of the lower and of the upper halves of the vectors.
	sums, dots := [2]reg.VecVirtual{s.zero(), s.zero()}, [2]reg.VecVirtual{s.zero(), s.zero()}
	at := GP64()
	XORQ(at, at)
	step := func(sel *mask) {
		d := s.load(Mem{Base: x, Index: at, Scale: 1}, sel)
		g := s.load(Mem{Base: dy, Index: at, Scale: 1}, sel)
		dz := rectified(g, affine(d, mean, scale, shift), slope, zero)
		for i := range 2 {
			v, u := s.vec(), s.vec()
			VCVTPS2PD(s.halfOf(dz, i), v)
			VCVTPS2PD(s.halfOf(d, i), u)
			VADDPD(v, sums[i], sums[i])
			VFMADD231PD(v, u, dots[i])
		}
	}
	Label("loop")
	CMPQ(n, I32(s.lanes))
	JL(LabelRef("loopEnd"))
	step(nil)
	ADDQ(I32(4*s.lanes), at)
	SUBQ(I32(s.lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(s.mask(n, 0))
	Label("done")
	VADDPD(sums[1], sums[0], sums[0])
	VADDPD(dots[1], dots[0], dots[0])
	VMOVSD(s.horizontal(sums[0], VADDPD), result(0))
	VMOVSD(s.horizontal(dots[0], VADDPD), result(1))
	ret()
}

// normRectifySumsRow writes the loop that adds a row to the sums of its columns.
func (s *set) normRectifySumsRow(affine, rectified func(a, b, c, d reg.VecVirtual) reg.VecVirtual) {
	s.text("normRectifySumsRow", "(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64)",
		"is normRectifySumsRowGeneric.")
	base := map[string]reg.Register{}
	for _, name := range []string{"x", "dy", "mean", "scale", "shift", "sum", "dot"} {
		base[name] = Load(Param(name).Base(), GP64())
	}
	n := Load(Param("x").Len(), GP64())
	slope, zero := s.broadcast(param("slope")), s.zero()
	at := GP64() // byte offset in the slices of float32
	XORQ(at, at)
	step := func(sel *mask, halves [2]*mask) {
		load := func(name string) reg.VecVirtual { return s.load(Mem{Base: base[name], Index: at, Scale: 1}, sel) }
		d, g := load("x"), load("dy")
		dz := rectified(g, affine(d, load("mean"), load("scale"), load("shift")), slope, zero)
		for i := range 2 {
			v, u := s.vec(), s.vec()
			VCVTPS2PD(s.halfOf(dz, i), v)
			VCVTPS2PD(s.halfOf(d, i), u)
			sums := Mem{Base: base["sum"], Index: at, Scale: 2, Disp: 4 * s.lanes * i}
			dots := Mem{Base: base["dot"], Index: at, Scale: 2, Disp: 4 * s.lanes * i}
			VMULPD(v, u, u)
			s.addDouble(v, sums, halves[i])
			s.addDouble(u, dots, halves[i])
		}
	}
	Label("loop")
	CMPQ(n, I32(s.lanes))
	JL(LabelRef("loopEnd"))
	step(nil, [2]*mask{})
	ADDQ(I32(4*s.lanes), at)
	SUBQ(I32(s.lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(s.mask(n, 0), [2]*mask{s.doubleMask(n, 0), s.doubleMask(n, 1)})
	Label("done")
	ret()
}

// doubleMask returns the mask of the float64 that half i of a vector of n
// float32 makes.
func (s *set) doubleMask(n reg.Register, i int) *mask {
	m := s.mask(n, i*s.lanes/2)
	if !s.wide {
		long := YMM()
		VPMOVSXDQ(m.v.AsX(), long)
		m.v = long
	}
	return m
}

// addDouble adds the selected float64 of v to those at m.
func (s *set) addDouble(v reg.VecVirtual, m Mem, sel *mask) {
	switch {
	case sel == nil:
		VADDPD(m, v, v)
		VMOVUPD(v, m)
	case s.wide:
		old := s.vec()
		VMOVUPD_Z(m, sel.k, old)
		VADDPD(old, v, v)
		VMOVUPD(v, sel.k, m)
	default:
		old := s.vec()
		VMASKMOVPD(m, sel.v, old)
		VADDPD(old, v, v)
		VMASKMOVPD(v, sel.v, m)
	}
}

// halfOf returns the lower (i is 0) or upper half of the float32 in v.
func (s *set) halfOf(v reg.VecVirtual, i int) reg.Register {
	switch {
	case i == 0 && s.wide:
		return v.AsY()
	case i == 0:
		return v.AsX()
	case s.wide:
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		return upper
	}
	upper := XMM()
	VEXTRACTF128(U8(1), v, upper)
	return upper
}
