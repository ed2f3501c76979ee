package norm

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
)

// fourthRoot returns s^-¼, where s = k + alpha·m is clamped to the range from 2^-72
// to 2^72.
func fourthRoot(f *neon.Func, m, alpha, k V) V {
	s := f.Copy(k)
	f.Fma(s, m, alpha)
	s = f.Max(f.Min(s, f.Float(0x1p72)), f.Float(0x1p-72))
	return f.Div(f.Float(1), f.Sqrt(f.Sqrt(s)))
}

// cubeTimes returns x·w³.
func cubeTimes(f *neon.Func, x, w V) V { return f.Mul(f.Mul(f.Mul(x, w), w), w) }

// lrn writes the loops of local response normalization with beta 0.75.
func lrn(file *neon.File) {
	file.Map(neon.Mapping{
		Name: "lrnForward", Signature: "(y, x, m []float32, alpha, k float32)",
		Doc: "sets y to x·(k + alpha·m)^-0.75.",
		In:  []string{"x", "m"}, Out: []string{"y"}, Scalars: []string{"alpha", "k"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			return []V{cubeTimes(f, in[0], fourthRoot(f, in[1], c[0], c[1]))}
		},
	})
	file.Map(neon.Mapping{
		Name: "lrnGrad", Signature: "(dx, ratio, dy, x, m []float32, alpha, k float32)",
		Doc: "sets dx to dy·(k + alpha·m)^-0.75 and ratio to dy·x·(k + alpha·m)^-1.75.",
		In:  []string{"dy", "x", "m"}, Out: []string{"dx", "ratio"}, Scalars: []string{"alpha", "k"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			w := fourthRoot(f, in[2], c[0], c[1])
			dx, square := cubeTimes(f, in[0], w), f.Mul(w, w)
			return []V{dx, f.Mul(f.Mul(dx, in[1]), f.Mul(square, square))}
		},
	})
	file.Map(neon.Mapping{
		Name: "mulAxpy", Signature: "(alpha float32, a, b, y []float32)",
		Doc: "adds alpha·a·b to y.",
		In:  []string{"a", "b", "y"}, Out: []string{"y"}, Scalars: []string{"alpha"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V {
			f.Fma(in[2], f.Mul(in[0], c[0]), in[1])
			return in[2:]
		},
	})
	file.Func("prefetchNEON", "(x []float32)", "prefetches the memory of x.", func(f *neon.Func) {
		const line = 16
		x, n := f.Arg("x"), f.Len("x")
		f.Label("loop")
		f.If(n, "LE", 0, "done")
		f.Prefetch(x, 0, 1)
		f.Inc(4*line, x)
		f.Inc(-line, n)
		f.Jump("loop")
		f.Label("done")
		f.Ret()
	})
	sumRows(file, "sumRows", "sets dst to the sum of the rows x[r·stride:], which have as many elements.",
		func(f *neon.Func, v, sum V) { f.AddTo(sum, v) })
	sumRows(file, "sumSqRows", "is sumRows of the squares.",
		func(f *neon.Func, v, sum V) { f.Fma(sum, v, v) })
}

// sumRows writes a loop that adds some columns of all rows, then the next columns. It
// prefetches the row behind the last one, which LRN needs next.
func sumRows(file *neon.File, name, doc string, add func(f *neon.Func, v, sum V)) {
	file.Func(name+neon.Suffix, "(dst, x []float32, stride, rows int)", doc, func(f *neon.Func) {
		dst, n, x, stride := f.Arg("dst"), f.Len("dst"), f.Arg("x"), f.Scaled("stride")
		f.InSteps(n, 4, func(vectors int) {
			load, store, size := f.Load, f.Store, neon.Bytes
			if vectors == 0 {
				load, store, size = f.LoadOne, f.StoreOne, 4
			}
			sums := make([]V, max(1, vectors))
			for u := range sums {
				sums[u] = f.Zero()
			}
			row, left := f.CopyR(x), f.Arg("rows")
			label := fmt.Sprintf("rows%d", vectors)
			f.Label(label)
			for u, sum := range sums {
				add(f, load(row, u*size), sum)
			}
			f.AddR(stride, row)
			f.Count(left, label)
			f.Prefetch(row, 0, 1)
			for u, sum := range sums {
				store(sum, dst, u*size)
			}
			f.Inc(len(sums)*size, x)
			f.Inc(len(sums)*size, dst)
		})
		f.Ret()
	})
}
