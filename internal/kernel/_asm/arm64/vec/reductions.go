package vec

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// reductions writes the sums, max and anyNonFinite.
func reductions(file *neon.File) {
	for _, r := range []struct {
		name, doc string
		in        []string
		terms     func(f *neon.Func, in []V) []V
	}{
		{"sum", "the sum of x", []string{"x"}, func(_ *neon.Func, in []V) []V { return in }},
		{"asum", "the sum of |x|", []string{"x"}, func(f *neon.Func, in []V) []V { return one(f.Abs(in[0])) }},
		{"sumSq", "the sum of x²", []string{"x"}, func(_ *neon.Func, in []V) []V { return []V{in[0], in[0]} }},
		{"dot", "the inner product of a and b", []string{"a", "b"}, func(_ *neon.Func, in []V) []V { return in }},
	} {
		signature := "(x []float32) float64"
		if len(r.in) == 2 {
			signature = "(a, b []float32) float64"
		}
		file.Reduce(neon.Reduction{
			Name: r.name, Signature: signature, Doc: "returns " + r.doc + ".",
			In: r.in, Results: []string{"ret"},
			Body: func(f *neon.Func, in, _ []V) [][]V { return [][]V{r.terms(f, in)} },
		})
	}
	file.Func("maxNEON", "(x []float32) float32", "returns the largest of x, passing over NaN.", func(f *neon.Func) {
		least := f.Bits(0xff800000) // -Inf
		acc := []V{f.Copy(least), f.Copy(least), f.Copy(least), f.Copy(least)}
		larger := func(acc, v V) { f.Blend(f.Greater(v, acc), v, acc) }
		f.Fold("x", acc, func(acc, v V) { larger(acc, v) })
		for _, v := range acc[1:] {
			larger(acc[0], v)
		}
		for range 3 {
			larger(acc[0], f.Rotate(acc[0]))
		}
		f.Return("ret", acc[0])
		f.Ret()
	})
	file.Func("anyNonFiniteNEON", "(x []float32) bool", "reports whether x holds a NaN or an infinity: 0·x is NaN for them.", func(f *neon.Func) {
		zero := f.Zero()
		acc := []V{f.Zero(), f.Zero(), f.Zero(), f.Zero()}
		f.Fold("x", acc, func(acc, v V) { f.Fma(acc, v, zero) })
		total := f.Add(f.Add(acc[0], acc[1]), f.Add(acc[2], acc[3]))
		total = f.AddPairs(total, total)
		f.ReturnUnordered("ret", f.AddPairs(total, total))
		f.Ret()
	})
}
