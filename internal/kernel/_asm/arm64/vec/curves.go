package vec

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// curves writes the functions of the layers that have their names.
func curves(file *neon.File) {
	file.Map(neon.Mapping{
		Name: "bnll", Signature: "(dst, x []float32)",
		Doc: "sets dst to log(1 + exp(x)).",
		In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(f *neon.Func, in, _ []V) []V { return one(bnll(f, in[0])) },
	})
	file.Map(neon.Mapping{
		Name: "bnllGrad", Signature: "(dst, x, dy []float32)",
		Doc: "sets dst to dy/(1 + exp(-x)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Unroll: 2,
		Body: func(f *neon.Func, in, _ []V) []V { return one(f.Mul(in[1], logistic(f, in[0]))) },
	})
	file.Map(neon.Mapping{
		Name: "elu", Signature: "(dst, x []float32, alpha float32)",
		Doc: "sets dst to max(x, 0) + alpha·(exp(min(x, 0)) - 1).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			zero := f.Float(0)
			high := f.Max(in[0], zero)
			low := f.Add(exp(f, f.Min(in[0], zero)), f.Float(-1))
			f.Fma(high, low, c[0])
			return one(high)
		},
	})
	file.Map(neon.Mapping{
		Name: "eluGrad", Signature: "(dst, y, dy []float32, alpha float32)",
		Doc: "sets dst to dy where y > 0 and to dy·(y + alpha) elsewhere.",
		In:  []string{"y", "dy"}, Out: []string{"dst"}, Scalars: []string{"alpha"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			slope := f.Add(in[0], c[0])
			f.Blend(f.Greater(in[0], f.Float(0)), f.Float(1), slope)
			return one(f.Mul(in[1], slope))
		},
	})
	file.Map(neon.Mapping{
		Name: "swish", Signature: "(dst, x []float32, beta float32)",
		Doc: "sets dst to x/(1 + exp(-beta·x)).",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"beta"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			return one(f.Mul(in[0], logistic(f, f.Mul(in[0], c[0]))))
		},
	})
	file.Map(neon.Mapping{
		Name: "swishGrad", Signature: "(dst, x, dy []float32, beta float32)",
		Doc: "sets dst to dy·s·(1 + beta·x·(1 - s)) with s = 1/(1 + exp(-beta·x)).",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"beta"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			x := f.Mul(in[0], c[0])
			s := logistic(f, x)
			factor := f.Variable(1)
			f.Fma(factor, x, f.Sub(f.Float(1), s))
			return one(f.Mul(f.Mul(s, factor), in[1]))
		},
	})
	file.Map(neon.Mapping{
		Name: "clip", Signature: "(dst, x []float32, lo, hi float32)",
		Doc: "sets dst to x, but not below lo or above hi. A NaN becomes lo.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"lo", "hi"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			y, x := f.Copy(c[0]), in[0]
			f.Blend(f.Greater(x, c[1]), c[1], x)
			f.Blend(f.Greater(x, c[0]), x, y)
			return one(y)
		},
	})
	file.Map(neon.Mapping{
		Name: "clipGrad", Signature: "(dst, x, dy []float32, lo, hi float32)",
		Doc: "sets dst to dy where lo <= x <= hi and to 0 elsewhere.",
		In:  []string{"x", "dy"}, Out: []string{"dst"}, Scalars: []string{"lo", "hi"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			inside := f.And(f.AtLeast(in[0], c[0]), f.AtLeast(c[1], in[0]))
			return one(f.And(inside, in[1]))
		},
	})
}
