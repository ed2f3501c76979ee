package vec

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// curves writes the functions of the layers that have their names.
func (s *set) curves() {
	one := func(v reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{v} }
	s.Map(simd.Mapping{
		Name: "bnll", Signature: "(dst, x []float32)",
		Doc: "sets dst to log(1 + exp(x)).",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual { return one(s.bnll(in[0])) },
	})
	s.Map(simd.Mapping{
		Name: "bnllGrad", Signature: "(dst, x, dy []float32)",
		Doc: "sets dst to dy/(1 + exp(-x)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(s.logistic(in[0]), in[1], in[1])
			return one(in[1])
		},
	})
	s.Map(simd.Mapping{
		Name: "elu", Signature: "(dst, x []float32, alpha float32)",
		Doc: "sets dst to max(x, 0) + alpha·(exp(min(x, 0)) - 1).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero, low, high := s.Zero(), s.Vec(), s.Vec()
			VMINPS(in[0], zero, low) // x where it is NaN
			VMAXPS(in[0], zero, high)
			low = s.exp(low)
			VADDPS(simd.Float(-1), low, low)
			VFMADD231PS(low, c[0], high)
			return one(high)
		},
	})
	s.Map(simd.Mapping{
		Name: "eluGrad", Signature: "(dst, y, dy []float32, alpha float32)",
		Doc: "sets dst to dy where y > 0 and to dy·(y + alpha) elsewhere.",
		In:  []string{"y", "dy"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			slope, full := s.Vec(), s.Vec()
			VADDPS(c[0], in[0], slope)
			VMOVUPS(simd.Float(1), full)
			s.Blend(s.Compare(simd.Greater, in[0], s.Zero()), full, slope)
			VMULPS(slope, in[1], slope)
			return one(slope)
		},
	})
	s.Map(simd.Mapping{
		Name: "swish", Signature: "(dst, x []float32, beta float32)",
		Doc: "sets dst to x/(1 + exp(-beta·x)).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"beta"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			scaled := s.Vec()
			VMULPS(in[0], c[0], scaled)
			VMULPS(s.logistic(scaled), in[0], in[0])
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "swishGrad", Signature: "(dst, x, dy []float32, beta float32)",
		Doc: "sets dst to dy·s·(1 + beta·x·(1 - s)) with s = 1/(1 + exp(-beta·x)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"beta"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			t, full, rest := s.Vec(), s.Vec(), s.Vec()
			VMULPS(in[0], c[0], in[0])
			VMOVAPS(in[0], t)
			t = s.logistic(t)
			VMOVUPS(simd.Float(1), full)
			VSUBPS(t, full, rest)
			VFMADD213PS(full, in[0], rest)
			VMULPS(rest, t, t)
			VMULPS(in[1], t, t)
			return one(t)
		},
	})
	s.Map(simd.Mapping{
		Name: "clip", Signature: "(dst, x []float32, lo, hi float32)",
		Doc: "sets dst to x, but not below lo or above hi. A NaN becomes lo.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"lo", "hi"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMINPS(in[0], c[1], in[0]) // hi < x ? hi : x
			VMAXPS(c[0], in[0], in[0]) // x > lo ? x : lo
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "clipGrad", Signature: "(dst, x, dy []float32, lo, hi float32)",
		Doc: "sets dst to dy where lo <= x <= hi and to 0 elsewhere.",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"lo", "hi"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			v := s.Pick(s.Compare(simd.AtMost, c[0], in[0]), in[1])
			return one(s.Pick(s.Compare(simd.AtMost, in[0], c[1]), v))
		},
	})
}
