// Package update writes the loops of package update: the rules of solvers.
package update

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		s.rules()
	}
}

// rules writes the solvers' rules. Products are rounded as Caffe's are where
// that costs nothing; else the fused form is the more exact one.
func (s *set) rules() {
	// complement returns 1 - v.
	complement := func(v reg.VecVirtual) reg.VecVirtual {
		c := s.Vec()
		VMOVUPS(simd.Float(1), c)
		VSUBPS(v, c, c)
		return c
	}
	// average sets h to (1-decay)·v + decay·h.
	average := func(v, decay, h reg.VecVirtual) {
		c := complement(decay)
		VMULPS(decay, h, h)
		VFMADD231PS(v, c, h)
	}
	// divide returns rate·g/(√h + delta).
	divide := func(g, h, rate, delta reg.VecVirtual) reg.VecVirtual {
		root, q := s.Vec(), s.Vec()
		VSQRTPS(h, root)
		VADDPS(delta, root, root)
		VDIVPS(root, g, q)
		VMULPS(rate, q, q)
		return q
	}
	square := func(v reg.VecVirtual) reg.VecVirtual {
		q := s.Vec()
		VMULPS(v, v, q)
		return q
	}

	s.Map(simd.Mapping{
		Name: "sgd", Signature: "(diff, history []float32, rate, momentum float32)",
		Doc: "is sgdGeneric.",
		In:  []string{"diff", "history"}, Out: []string{"diff", "history"},
		Scalars: []string{"rate", "momentum"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			VMULPS(h, c[1], h)
			VFMADD231PS(g, c[0], h)
			return []reg.VecVirtual{h, h}
		},
	})
	s.Map(simd.Mapping{
		Name: "nesterov", Signature: "(diff, history []float32, rate, momentum float32)",
		Doc: "is nesterovGeneric.",
		In:  []string{"diff", "history"}, Out: []string{"diff", "history"},
		Scalars: []string{"rate", "momentum"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, back, over := in[0], s.Vec(), s.Vec()
			VMULPS(in[1], c[1], back) // momentum·old
			VMOVAPS(back, in[1])
			VFMADD231PS(g, c[0], in[1]) // the new history
			VMOVUPS(simd.Float(1), over)
			VADDPS(c[1], over, over)
			VFMSUB213PS(back, in[1], over) // (1+momentum)·history - momentum·old
			return []reg.VecVirtual{over, in[1]}
		},
	})
	s.Map(simd.Mapping{
		Name: "adagrad", Signature: "(diff, history []float32, rate, delta float32)",
		Doc: "is adagradGeneric.",
		In:  []string{"diff", "history"}, Out: []string{"diff", "history"},
		Scalars: []string{"rate", "delta"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			VFMADD231PS(g, g, h)
			return []reg.VecVirtual{divide(g, h, c[0], c[1]), h}
		},
	})
	s.Map(simd.Mapping{
		Name: "rmsprop", Signature: "(diff, history []float32, rate, decay, delta float32)",
		Doc: "is rmspropGeneric.",
		In:  []string{"diff", "history"}, Out: []string{"diff", "history"},
		Scalars: []string{"rate", "decay", "delta"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			average(square(g), c[1], h)
			return []reg.VecVirtual{divide(g, h, c[0], c[2]), h}
		},
	})
	s.Map(simd.Mapping{
		Name: "adadelta", Signature: "(diff, gradients, updates []float32, rate, momentum, delta float32)",
		Doc: "is adadeltaGeneric.",
		In:  []string{"diff", "gradients", "updates"}, Out: []string{"diff", "gradients", "updates"},
		Scalars: []string{"rate", "momentum", "delta"}, Unroll: 1,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h, h2 := in[0], in[1], in[2]
			rate, momentum, delta := c[0], c[1], c[2]
			average(square(g), momentum, h)
			up, down := s.Vec(), s.Vec()
			VADDPS(h2, delta, up)
			VADDPS(h, delta, down)
			VDIVPS(down, up, up)
			VSQRTPS(up, up)
			VMULPS(up, g, g) // the update
			average(square(g), momentum, h2)
			VMULPS(rate, g, g)
			return []reg.VecVirtual{g, h, h2}
		},
	})
	s.Map(simd.Mapping{
		Name: "adam", Signature: "(diff, m, v []float32, rate, beta1, beta2, epsHat float32)",
		Doc: "is adamGeneric.",
		In:  []string{"diff", "m", "v"}, Out: []string{"diff", "m", "v"},
		Scalars: []string{"rate", "beta1", "beta2", "epsHat"}, Unroll: 1,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, m, v := in[0], in[1], in[2]
			average(g, c[1], m)
			average(square(g), c[2], v)
			return []reg.VecVirtual{divide(m, v, c[0], c[3]), m, v}
		},
	})
}
