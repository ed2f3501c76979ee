// Package vec writes the loops of package vec: maps and reductions.
package vec

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
		s.maps()
		s.transcendental()
		s.curves()
		s.reductions()
	}
}

// maps writes the loops of plain arithmetic.
func (s *set) maps() {
	one := func(v reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{v} }

	s.Map(simd.Mapping{
		Name: "fill", Signature: "(dst []float32, v float32)",
		Doc: "sets dst to v.",
		Out: []string{"dst"}, Scalars: []string{"v"}, Unroll: 4,
		Body: func(_, c []reg.VecVirtual) []reg.VecVirtual { return c },
	})
	s.Map(simd.Mapping{
		Name: "axpy", Signature: "(alpha float32, x, y []float32)",
		Doc: "adds alpha·x to y.",
		In:  []string{"x", "y"}, Out: []string{"y"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VFMADD231PS(in[0], c[0], in[1])
			return one(in[1])
		},
	})
	s.Map(simd.Mapping{
		Name: "axpby", Signature: "(alpha float32, x []float32, beta float32, y []float32)",
		Doc: "sets y to alpha·x + beta·y.",
		In:  []string{"x", "y"}, Out: []string{"y"}, Scalars: []string{"alpha", "beta"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(in[1], c[1], in[1])
			VFMADD231PS(in[0], c[0], in[1])
			return one(in[1])
		},
	})
	s.Map(simd.Mapping{
		Name: "scale", Signature: "(alpha float32, x, dst []float32)",
		Doc: "sets dst to alpha·x.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(in[0], c[0], in[0])
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "addScalar", Signature: "(dst, x []float32, v float32)",
		Doc: "sets dst to x + v.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"v"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VADDPS(c[0], in[0], in[0])
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "abs", Signature: "(dst, x []float32)",
		Doc: "sets dst to |x|.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 4,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VANDPS(simd.Bits(0x7fffffff), in[0], in[0])
			return one(in[0])
		},
	})
	for _, op := range []struct {
		name, sign string
		do         func(...Op)
	}{
		{"add", "+", VADDPS},
		{"sub", "-", VSUBPS},
		{"mul", "·", VMULPS},
		{"div", "/", VDIVPS},
	} {
		s.Map(simd.Mapping{
			Name: op.name, Signature: "(dst, a, b []float32)",
			Doc: "sets dst to a " + op.sign + " b.",
			In:  []string{"a", "b"}, Out: []string{"dst"}, Unroll: 4,
			Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
				op.do(in[1], in[0], in[0])
				return one(in[0])
			},
		})
	}
	s.Map(simd.Mapping{
		Name: "maximum", Signature: "(dst, a, b []float32)",
		Doc: "sets dst to b where b > a and to a elsewhere.",
		In:  []string{"a", "b"}, Out: []string{"dst"}, Unroll: 4,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VMAXPS(in[0], in[1], in[0]) // b > a ? b : a
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "mulAdd", Signature: "(dst, x, a, b []float32)",
		Doc: "sets dst to x·a + b.",
		In:  []string{"x", "a", "b"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VFMADD231PS(in[0], in[1], in[2])
			return one(in[2])
		},
	})
	s.Map(simd.Mapping{
		Name: "scaleShift", Signature: "(dst, x []float32, scale, shift float32)",
		Doc: "sets dst to x·scale + shift.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"scale", "shift"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VFMADD213PS(c[1], c[0], in[0])
			return one(in[0])
		},
	})
	s.Map(simd.Mapping{
		Name: "relu", Signature: "(dst, x []float32, slope float32)",
		Doc: "sets dst to max(x, 0) + slope·min(x, 0).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero, low, high := s.Zero(), s.Vec(), s.Vec()
			VMINPS(in[0], zero, low) // x where it is NaN
			VMAXPS(in[0], zero, high)
			VFMADD231PS(low, c[0], high)
			return one(high)
		},
	})
	s.Map(simd.Mapping{
		Name: "reluGrad", Signature: "(dst, x, dy []float32, slope float32)",
		Doc: "sets dst to dy·((x > 0) + slope·(x <= 0)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero, full := s.Zero(), s.Vec()
			factor := s.Pick(s.Compare(simd.AtMost, in[0], zero), c[0])
			VMOVUPS(simd.Float(1), full)
			s.Blend(s.Compare(simd.Greater, in[0], zero), full, factor)
			VMULPS(factor, in[1], factor)
			return one(factor)
		},
	})
}
