package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// mapping is a loop over slices of one length, that of the first output.
type mapping struct {
	name, signature, doc string
	in, out              []string // slices read, slices written
	scalars              []string // arguments that body wants in every lane
	unroll               int

	// body computes the outputs of in; scalars follow the inputs.
	body func(in, scalars []reg.VecVirtual) []reg.VecVirtual
}

func (s *set) mapping(m mapping) {
	s.text(m.name, m.signature, m.doc)
	base := map[string]reg.Register{}
	for _, name := range append(append([]string{}, m.in...), m.out...) {
		if base[name] == nil {
			base[name] = Load(Param(name).Base(), GP64())
		}
	}
	n := Load(Param(m.out[0]).Len(), GP64())
	var scalars []reg.VecVirtual
	for _, name := range m.scalars {
		scalars = append(scalars, s.broadcast(param(name)))
	}
	at := GP64() // byte offset of the next lane
	XORQ(at, at)

	step := func(count int, sel *mask) {
		for u := range count {
			address := func(name string) Mem {
				return Mem{Base: base[name], Index: at, Scale: 1, Disp: 4 * s.lanes * u}
			}
			var in []reg.VecVirtual
			for _, name := range m.in {
				in = append(in, s.load(address(name), sel))
			}
			for i, v := range m.body(in, scalars) {
				s.store(v, address(m.out[i]), sel)
			}
		}
	}
	loop := func(count int) {
		again, end := fmt.Sprintf("by%d", count), fmt.Sprintf("by%dEnd", count)
		Label(again)
		CMPQ(n, I32(count*s.lanes))
		JL(LabelRef(end))
		step(count, nil)
		ADDQ(I32(4*count*s.lanes), at)
		SUBQ(I32(count*s.lanes), n)
		JMP(LabelRef(again))
		Label(end)
	}
	if m.unroll > 1 {
		loop(m.unroll)
	}
	loop(1)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(1, s.mask(n, 0))
	Label("done")
	ret()
}

// maps writes the loops of plain arithmetic.
func (s *set) maps() {
	one := func(v reg.VecVirtual) []reg.VecVirtual { return []reg.VecVirtual{v} }

	s.mapping(mapping{
		name: "fill", signature: "(dst []float32, v float32)",
		doc: "sets dst to v.",
		out: []string{"dst"}, scalars: []string{"v"}, unroll: 4,
		body: func(_, c []reg.VecVirtual) []reg.VecVirtual { return c },
	})
	s.mapping(mapping{
		name: "axpy", signature: "(alpha float32, x, y []float32)",
		doc: "adds alpha·x to y.",
		in:  []string{"x", "y"}, out: []string{"y"}, scalars: []string{"alpha"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VFMADD231PS(in[0], c[0], in[1])
			return one(in[1])
		},
	})
	s.mapping(mapping{
		name: "axpby", signature: "(alpha float32, x []float32, beta float32, y []float32)",
		doc: "sets y to alpha·x + beta·y.",
		in:  []string{"x", "y"}, out: []string{"y"}, scalars: []string{"alpha", "beta"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(in[1], c[1], in[1])
			VFMADD231PS(in[0], c[0], in[1])
			return one(in[1])
		},
	})
	s.mapping(mapping{
		name: "scale", signature: "(alpha float32, x, dst []float32)",
		doc: "sets dst to alpha·x.",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"alpha"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(in[0], c[0], in[0])
			return one(in[0])
		},
	})
	s.mapping(mapping{
		name: "addScalar", signature: "(dst, x []float32, v float32)",
		doc: "sets dst to x + v.",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"v"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VADDPS(c[0], in[0], in[0])
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
		s.mapping(mapping{
			name: op.name, signature: "(dst, a, b []float32)",
			doc: "sets dst to a " + op.sign + " b.",
			in:  []string{"a", "b"}, out: []string{"dst"}, unroll: 4,
			body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
				op.do(in[1], in[0], in[0])
				return one(in[0])
			},
		})
	}
	s.mapping(mapping{
		name: "maximum", signature: "(dst, a, b []float32)",
		doc: "sets dst to b where b > a and to a elsewhere.",
		in:  []string{"a", "b"}, out: []string{"dst"}, unroll: 4,
		body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VMAXPS(in[0], in[1], in[0]) // b > a ? b : a
			return one(in[0])
		},
	})
	s.mapping(mapping{
		name: "mulAdd", signature: "(dst, x, a, b []float32)",
		doc: "sets dst to x·a + b.",
		in:  []string{"x", "a", "b"}, out: []string{"dst"}, unroll: 2,
		body: func(in, _ []reg.VecVirtual) []reg.VecVirtual {
			VFMADD231PS(in[0], in[1], in[2])
			return one(in[2])
		},
	})
	s.mapping(mapping{
		name: "scaleShift", signature: "(dst, x []float32, scale, shift float32)",
		doc: "sets dst to x·scale + shift.",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"scale", "shift"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VFMADD213PS(c[1], c[0], in[0])
			return one(in[0])
		},
	})
	s.mapping(mapping{
		name: "normalize", signature: "(dst, x []float32, mean, invstd float32)",
		doc: "sets dst to (x - mean)·invstd.",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"mean", "invstd"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VSUBPS(c[0], in[0], in[0])
			VMULPS(c[1], in[0], in[0])
			return one(in[0])
		},
	})
	s.mapping(mapping{
		name: "relu", signature: "(dst, x []float32, slope float32)",
		doc: "sets dst to max(x, 0) + slope·min(x, 0).",
		in:  []string{"x"}, out: []string{"dst"}, scalars: []string{"slope"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero, low, high := s.zero(), s.vec(), s.vec()
			VMINPS(in[0], zero, low) // x where it is NaN
			VMAXPS(in[0], zero, high)
			VFMADD231PS(low, c[0], high)
			return one(high)
		},
	})
	s.mapping(mapping{
		name: "reluGrad", signature: "(dst, x, dy []float32, slope float32)",
		doc: "sets dst to dy·((x > 0) + slope·(x <= 0)).",
		in:  []string{"x", "dy"}, out: []string{"dst"}, scalars: []string{"slope"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			zero, one1 := s.zero(), s.vec()
			factor := s.pick(s.compare(atMost, in[0], zero), c[0])
			VMOVUPS(number(1), one1)
			s.blend(s.compare(greater, in[0], zero), one1, factor)
			VMULPS(factor, in[1], factor)
			return one(factor)
		},
	})
}

// normalization writes the loops of BatchNorm.
func (s *set) normalization() {
	s.mapping(mapping{
		name: "bnBackward", signature: "(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32)",
		doc: "sets dx to (dy - meanDy - meanDyX·xnorm)·invstd.",
		in:  []string{"dy", "xnorm"}, out: []string{"dx"},
		scalars: []string{"meanDy", "meanDyX", "invstd"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VSUBPS(c[0], in[0], in[0])
			VFNMADD231PS(in[1], c[1], in[0])
			VMULPS(c[2], in[0], in[0])
			return in[:1]
		},
	})
}

// updates writes the solvers' rules. Products are rounded as Caffe's are where
// that costs nothing; else the fused form is the more exact one.
func (s *set) updates() {
	// complement returns 1 - v.
	complement := func(v reg.VecVirtual) reg.VecVirtual {
		c := s.vec()
		VMOVUPS(number(1), c)
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
		root, q := s.vec(), s.vec()
		VSQRTPS(h, root)
		VADDPS(delta, root, root)
		VDIVPS(root, g, q)
		VMULPS(rate, q, q)
		return q
	}
	square := func(v reg.VecVirtual) reg.VecVirtual {
		q := s.vec()
		VMULPS(v, v, q)
		return q
	}

	s.mapping(mapping{
		name: "sgd", signature: "(diff, history []float32, rate, momentum float32)",
		doc: "is sgdGeneric.",
		in:  []string{"diff", "history"}, out: []string{"diff", "history"},
		scalars: []string{"rate", "momentum"}, unroll: 4,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			VMULPS(h, c[1], h)
			VFMADD231PS(g, c[0], h)
			return []reg.VecVirtual{h, h}
		},
	})
	s.mapping(mapping{
		name: "nesterov", signature: "(diff, history []float32, rate, momentum float32)",
		doc: "is nesterovGeneric.",
		in:  []string{"diff", "history"}, out: []string{"diff", "history"},
		scalars: []string{"rate", "momentum"}, unroll: 2,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, back, over := in[0], s.vec(), s.vec()
			VMULPS(in[1], c[1], back) // momentum·old
			VMOVAPS(back, in[1])
			VFMADD231PS(g, c[0], in[1]) // the new history
			VMOVUPS(number(1), over)
			VADDPS(c[1], over, over)
			VFMSUB213PS(back, in[1], over) // (1+momentum)·history - momentum·old
			return []reg.VecVirtual{over, in[1]}
		},
	})
	s.mapping(mapping{
		name: "adagrad", signature: "(diff, history []float32, rate, delta float32)",
		doc: "is adagradGeneric.",
		in:  []string{"diff", "history"}, out: []string{"diff", "history"},
		scalars: []string{"rate", "delta"}, unroll: 2,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			VFMADD231PS(g, g, h)
			return []reg.VecVirtual{divide(g, h, c[0], c[1]), h}
		},
	})
	s.mapping(mapping{
		name: "rmsprop", signature: "(diff, history []float32, rate, decay, delta float32)",
		doc: "is rmspropGeneric.",
		in:  []string{"diff", "history"}, out: []string{"diff", "history"},
		scalars: []string{"rate", "decay", "delta"}, unroll: 2,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h := in[0], in[1]
			average(square(g), c[1], h)
			return []reg.VecVirtual{divide(g, h, c[0], c[2]), h}
		},
	})
	s.mapping(mapping{
		name: "adadelta", signature: "(diff, gradients, updates []float32, rate, momentum, delta float32)",
		doc: "is adadeltaGeneric.",
		in:  []string{"diff", "gradients", "updates"}, out: []string{"diff", "gradients", "updates"},
		scalars: []string{"rate", "momentum", "delta"}, unroll: 1,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, h, h2 := in[0], in[1], in[2]
			rate, momentum, delta := c[0], c[1], c[2]
			average(square(g), momentum, h)
			up, down := s.vec(), s.vec()
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
	s.mapping(mapping{
		name: "adam", signature: "(diff, m, v []float32, rate, beta1, beta2, epsHat float32)",
		doc: "is adamGeneric.",
		in:  []string{"diff", "m", "v"}, out: []string{"diff", "m", "v"},
		scalars: []string{"rate", "beta1", "beta2", "epsHat"}, unroll: 1,
		body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			g, m, v := in[0], in[1], in[2]
			average(g, c[1], m)
			average(square(g), c[2], v)
			return []reg.VecVirtual{divide(m, v, c[0], c[3]), m, v}
		},
	})
}
