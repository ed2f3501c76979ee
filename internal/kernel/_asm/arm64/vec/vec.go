// Package vec writes the loops of package vec for arm64: maps and reductions.
package vec

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// Write writes all functions.
func Write(file *neon.File) {
	maps(file)
	transcendental(file)
	curves(file)
	reductions(file)
}

// V is a vector register.
type V = neon.V

func one(v V) []V { return []V{v} }

// maps writes the loops of plain arithmetic.
func maps(file *neon.File) {
	file.Map(neon.Mapping{
		Name: "fill", Signature: "(dst []float32, v float32)",
		Doc: "sets dst to v.",
		Out: []string{"dst"}, Scalars: []string{"v"}, Unroll: 4,
		Body: func(_ *neon.Func, _, c []V) []V { return c },
	})
	file.Map(neon.Mapping{
		Name: "axpy", Signature: "(alpha float32, x, y []float32)",
		Doc: "adds alpha·x to y.",
		In:  []string{"x", "y"}, Out: []string{"y"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			f.Fma(in[1], in[0], c[0])
			return one(in[1])
		},
	})
	file.Map(neon.Mapping{
		Name: "axpby", Signature: "(alpha float32, x []float32, beta float32, y []float32)",
		Doc: "sets y to alpha·x + beta·y.",
		In:  []string{"x", "y"}, Out: []string{"y"}, Scalars: []string{"alpha", "beta"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			sum := f.Mul(in[1], c[1])
			f.Fma(sum, in[0], c[0])
			return one(sum)
		},
	})
	file.Map(neon.Mapping{
		Name: "scale", Signature: "(alpha float32, x, dst []float32)",
		Doc: "sets dst to alpha·x.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V { return one(f.Mul(in[0], c[0])) },
	})
	file.Map(neon.Mapping{
		Name: "addScalar", Signature: "(dst, x []float32, v float32)",
		Doc: "sets dst to x + v.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"v"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V { return one(f.Add(in[0], c[0])) },
	})
	file.Map(neon.Mapping{
		Name: "abs", Signature: "(dst, x []float32)",
		Doc: "sets dst to |x|.",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 4,
		Body: func(f *neon.Func, in, _ []V) []V { return one(f.Abs(in[0])) },
	})
	for _, op := range []struct {
		name, sign string
		do         func(f *neon.Func, a, b V) V
	}{
		{"add", "+", (*neon.Func).Add},
		{"sub", "-", (*neon.Func).Sub},
		{"mul", "·", (*neon.Func).Mul},
		{"div", "/", (*neon.Func).Div},
	} {
		file.Map(neon.Mapping{
			Name: op.name, Signature: "(dst, a, b []float32)",
			Doc: "sets dst to a " + op.sign + " b.",
			In:  []string{"a", "b"}, Out: []string{"dst"}, Unroll: 4,
			Body: func(f *neon.Func, in, _ []V) []V { return one(op.do(f, in[0], in[1])) },
		})
	}
	file.Map(neon.Mapping{
		Name: "maximum", Signature: "(dst, a, b []float32)",
		Doc: "sets dst to b where b > a and to a elsewhere.",
		In:  []string{"a", "b"}, Out: []string{"dst"}, Unroll: 4,
		Body: func(f *neon.Func, in, _ []V) []V {
			f.Blend(f.Greater(in[1], in[0]), in[1], in[0])
			return one(in[0])
		},
	})
	file.Map(neon.Mapping{
		Name: "mulAdd", Signature: "(dst, x, a, b []float32)",
		Doc: "sets dst to x·a + b.",
		In:  []string{"x", "a", "b"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(f *neon.Func, in, _ []V) []V {
			f.Fma(in[2], in[0], in[1])
			return one(in[2])
		},
	})
	file.Map(neon.Mapping{
		Name: "scaleShift", Signature: "(dst, x []float32, scale, shift float32)",
		Doc: "sets dst to x·scale + shift.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"scale", "shift"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			sum := f.Copy(c[1])
			f.Fma(sum, in[0], c[0])
			return one(sum)
		},
	})
	file.Map(neon.Mapping{
		Name: "relu", Signature: "(dst, x []float32, slope float32)",
		Doc: "sets dst to max(x, 0) + slope·min(x, 0).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			zero := f.Float(0)
			low, high := f.Min(in[0], zero), f.Max(in[0], zero)
			f.Fma(high, low, c[0])
			return one(high)
		},
	})
	file.Map(neon.Mapping{
		Name: "reluGrad", Signature: "(dst, x, dy []float32, slope float32)",
		Doc: "sets dst to dy·((x > 0) + slope·(x <= 0)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			zero := f.Float(0)
			factor := f.And(f.AtLeast(zero, in[0]), c[0])
			f.Blend(f.Greater(in[0], zero), f.Float(1), factor)
			return one(f.Mul(in[1], factor))
		},
	})
}
