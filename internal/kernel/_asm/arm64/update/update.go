// Package update writes the loops of package update for arm64: the rules of solvers.
package update

import (
	"strings"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
)

// V is a vector register.
type V = neon.V

// average sets h to (1-decay)·v + decay·h.
func average(f *neon.Func, v, decay, h V) V {
	sum := f.Mul(h, decay)
	f.Fma(sum, v, f.Sub(f.Float(1), decay))
	return sum
}

// divide returns rate·g/(√h + delta).
func divide(f *neon.Func, g, h, rate, delta V) V {
	return f.Mul(f.Div(g, f.Add(f.Sqrt(h), delta)), rate)
}

// Write writes all functions. Products are rounded as Caffe's are where that costs
// nothing; else the fused form is the more exact one.
func Write(file *neon.File) {
	for _, rule := range []struct {
		name, scalars string
		slices        []string
		body          func(f *neon.Func, in, c []V) []V
	}{
		{"sgd", "rate, momentum", []string{"diff", "history"}, func(f *neon.Func, in, c []V) []V {
			h := f.Mul(in[1], c[1])
			f.Fma(h, in[0], c[0])
			return []V{h, h}
		}},
		{"nesterov", "rate, momentum", []string{"diff", "history"}, func(f *neon.Func, in, c []V) []V {
			back := f.Mul(in[1], c[1]) // momentum·old
			h := f.Copy(back)
			f.Fma(h, in[0], c[0])
			step := f.Neg(back)
			f.Fma(step, f.Add(f.Float(1), c[1]), h) // (1+momentum)·history - momentum·old
			return []V{step, h}
		}},
		{"adagrad", "rate, delta", []string{"diff", "history"}, func(f *neon.Func, in, c []V) []V {
			g, h := in[0], in[1]
			f.Fma(h, g, g)
			return []V{divide(f, g, h, c[0], c[1]), h}
		}},
		{"rmsprop", "rate, decay, delta", []string{"diff", "history"}, func(f *neon.Func, in, c []V) []V {
			g := in[0]
			h := average(f, f.Mul(g, g), c[1], in[1])
			return []V{divide(f, g, h, c[0], c[2]), h}
		}},
		{"adadelta", "rate, momentum, delta", []string{"diff", "gradients", "updates"}, func(f *neon.Func, in, c []V) []V {
			g, rate, momentum, delta := in[0], c[0], c[1], c[2]
			h := average(f, f.Mul(g, g), momentum, in[1])
			u := f.Mul(g, f.Sqrt(f.Div(f.Add(delta, in[2]), f.Add(delta, h))))
			return []V{f.Mul(u, rate), h, average(f, f.Mul(u, u), momentum, in[2])}
		}},
		{"adam", "rate, beta1, beta2, epsHat", []string{"diff", "m", "v"}, func(f *neon.Func, in, c []V) []V {
			g := in[0]
			m, v := average(f, g, c[1], in[1]), average(f, f.Mul(g, g), c[2], in[2])
			return []V{divide(f, m, v, c[0], c[3]), m, v}
		}},
	} {
		file.Map(neon.Mapping{
			Name: rule.name, Signature: "(" + strings.Join(rule.slices, ", ") + " []float32, " + rule.scalars + " float32)",
			Doc: "is " + rule.name + "Generic.",
			In:  rule.slices, Out: rule.slices, Scalars: strings.Split(rule.scalars, ", "), Unroll: 2,
			Body: rule.body,
		})
	}
}
