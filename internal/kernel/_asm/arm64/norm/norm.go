// Package norm writes the loops of package norm for arm64.
package norm

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// V is a vector register and R a general one.
type (
	V = neon.V
	R = neon.R
)

// Write writes all functions.
func Write(file *neon.File) {
	batchNorm(file)
	rectifier(file)
	sumsRow(file)
	sumVectors(file)
	lrn(file)
}

// batchNorm writes the loops of batch normalization alone.
func batchNorm(file *neon.File) {
	file.Map(neon.Mapping{
		Name: "normalize", Signature: "(dst, x []float32, mean, invstd float32)",
		Doc: "sets dst to (x - mean)·invstd.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"mean", "invstd"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V { return []V{f.Mul(f.Sub(in[0], c[0]), c[1])} },
	})
	file.Reduce(neon.Reduction{
		Name: "sumAndSquares", Signature: "(x []float32) (sum, sq float64)",
		Doc: "returns the sums of x and of x².",
		In:  []string{"x"}, Results: []string{"sum", "sq"},
		Body: func(_ *neon.Func, in, _ []V) [][]V { return [][]V{{in[0]}, {in[0], in[0]}} },
	})
	file.Reduce(neon.Reduction{
		Name: "sumAndDot", Signature: "(a, b []float32) (sum, dot float64)",
		Doc: "returns the sum of a and the inner product of a and b.",
		In:  []string{"a", "b"}, Results: []string{"sum", "dot"},
		Body: func(_ *neon.Func, in, _ []V) [][]V { return [][]V{{in[0]}, {in[0], in[1]}} },
	})
	file.Map(neon.Mapping{
		Name: "normalizeGrad", Signature: "(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32)",
		Doc: "sets dx to (dy - meanDy - meanDyX·xnorm)·invstd.",
		In:  []string{"dy", "xnorm"}, Out: []string{"dx"},
		Scalars: []string{"meanDy", "meanDyX", "invstd"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			d := f.Sub(in[0], c[0])
			f.Fms(d, in[1], c[1])
			return []V{f.Mul(d, c[2])}
		},
	})
}

// affine returns d = x - mean and z = scale·d + shift.
func affine(f *neon.Func, x, mean, scale, shift V) (d, z V) {
	d, z = f.Sub(x, mean), f.Copy(shift)
	f.Fma(z, d, scale)
	return d, z
}

// rectified returns v where z > 0 and slope·v elsewhere.
func rectified(f *neon.Func, v, z, slope V) V {
	y := f.Mul(v, slope)
	f.Blend(f.Greater(z, f.Float(0)), v, y)
	return y
}

// rectifier writes the loops of a normalization with a rectifier. All compute in the same
// way whether z = scale·(x - mean) + shift is above zero.
func rectifier(file *neon.File) {
	forward := func(f *neon.Func, x, mean, scale, shift, slope V) []V {
		_, z := affine(f, x, mean, scale, shift)
		return []V{f.Add(rectified(f, z, z, slope), f.Float(0))} // not -0
	}
	backward := func(f *neon.Func, x, dy, mean, scale, shift, slope, dFactor, offset V) []V {
		d, z := affine(f, x, mean, scale, shift)
		dz := f.Add(rectified(f, dy, z, slope), offset)
		f.Fma(dz, d, dFactor)
		return []V{f.Mul(dz, scale)}
	}
	file.Map(neon.Mapping{
		Name: "affineReLU", Signature: "(dst, x []float32, mean, scale, shift, slope float32)",
		Doc: "is affineReLUGeneric.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"mean", "scale", "shift", "slope"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V { return forward(f, in[0], c[0], c[1], c[2], c[3]) },
	})
	file.Map(neon.Mapping{
		Name: "affineReLUVectors", Signature: "(x, mean, scale, shift []float32, slope float32)",
		Doc: "is affineReLUVectorsGeneric.",
		In:  []string{"x"}, Out: []string{"x"}, Scalars: []string{"slope"}, Vectors: []string{"mean", "scale", "shift"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V { return forward(f, in[0], c[1], c[2], c[3], c[0]) },
	})
	file.Map(neon.Mapping{
		Name: "affineReLUGrad", Signature: "(dst, x, dy []float32, mean, scale, shift, slope, dFactor, offset float32)",
		Doc: "is affineReLUGradGeneric.",
		In:  []string{"x", "dy"}, Out: []string{"dst"},
		Scalars: []string{"mean", "scale", "shift", "slope", "dFactor", "offset"}, Unroll: 4,
		Body: func(f *neon.Func, in, c []V) []V {
			return backward(f, in[0], in[1], c[0], c[1], c[2], c[3], c[4], c[5])
		},
	})
	file.Map(neon.Mapping{
		Name: "affineReLURow", Signature: "(dst, x, mean, scale, shift []float32, slope float32)",
		Doc: "is affineReLURowGeneric.",
		In:  []string{"x", "mean", "scale", "shift"}, Out: []string{"dst"}, Scalars: []string{"slope"}, Unroll: 2,
		Body: func(f *neon.Func, in, c []V) []V { return forward(f, in[0], in[1], in[2], in[3], c[0]) },
	})
	file.Map(neon.Mapping{
		Name: "affineReLUGradRow", Signature: "(dst, x, dy, mean, scale, shift, dFactor, offset []float32, slope float32)",
		Doc: "is affineReLUGradRowGeneric.",
		In:  []string{"x", "dy", "mean", "scale", "shift", "dFactor", "offset"}, Out: []string{"dst"},
		Scalars: []string{"slope"}, Unroll: 1,
		Body: func(f *neon.Func, in, c []V) []V {
			return backward(f, in[0], in[1], in[2], in[3], in[4], c[0], in[5], in[6])
		},
	})
	file.Reduce(neon.Reduction{
		Name: "affineReLUSums", Signature: "(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64)",
		Doc: "is affineReLUSumsGeneric.",
		In:  []string{"x", "dy"}, Scalars: []string{"mean", "scale", "shift", "slope"}, Results: []string{"sum", "dot"},
		Body: func(f *neon.Func, in, c []V) [][]V {
			d, z := affine(f, in[0], c[0], c[1], c[2])
			dz := rectified(f, in[1], z, c[3])
			return [][]V{{dz}, {dz, d}}
		},
	})
}

// sumsRow writes the loop that adds a row to the sums of its columns.
func sumsRow(file *neon.File) {
	signature := "(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64)"
	file.Func("affineReLUSumsRowNEON", signature, "is affineReLUSumsRowGeneric.", func(f *neon.Func) {
		at := map[string]R{}
		floats := []string{"x", "dy", "mean", "scale", "shift"}
		for _, name := range append([]string{"sum", "dot"}, floats...) {
			at[name] = f.Arg(name)
		}
		n, slope := f.Len("x"), f.Broadcast("slope")
		f.InSteps(n, 1, func(vectors int) {
			count, halves := 1, []func(V) V{f.Low}
			load, loadDouble, storeDouble := f.LoadOne, f.LoadDouble, f.StoreDouble
			if vectors == 1 {
				count, halves = neon.Lanes, []func(V) V{f.Low, f.High}
				load, loadDouble, storeDouble = f.Load, f.Load, f.Store
			}
			in := map[string]V{}
			for _, name := range floats {
				in[name] = load(at[name], 0)
				f.Inc(4*count, at[name])
			}
			d, z := affine(f, in["x"], in["mean"], in["scale"], in["shift"])
			dz := rectified(f, in["dy"], z, slope)
			for i, half := range halves {
				sum, dot := loadDouble(at["sum"], neon.Bytes*i), loadDouble(at["dot"], neon.Bytes*i)
				wide := half(dz)
				f.AddDouble(sum, wide)
				f.FmaDouble(dot, wide, half(d))
				storeDouble(sum, at["sum"], neon.Bytes*i)
				storeDouble(dot, at["dot"], neon.Bytes*i)
			}
			f.Inc(8*count, at["sum"])
			f.Inc(8*count, at["dot"])
		})
		f.Ret()
	})
}

// sumVectors writes the loop that adds vectors to two sums in turn, so that an addition need not wait
// for the one before.
func sumVectors(file *neon.File) {
	file.Func("sumVectorsNEON", "(x []float32, first, second []float64)", "is sumVectorsGeneric.", func(f *neon.Func) {
		x, n := f.Arg("x"), f.Len("x")
		at := []R{f.Arg("first"), f.Arg("second")}
		var sums [8]V // halves of first's sums and squares, and of second's
		for i := range sums {
			sums[i] = f.Load(at[i/4], neon.Bytes*(i%4))
		}
		step := func(vectors int) {
			for i := range vectors {
				v := f.Load(x, neon.Bytes*i)
				for half, double := range []V{f.Low(v), f.High(v)} {
					f.AddDouble(sums[4*i+half], double)
					f.FmaDouble(sums[4*i+2+half], double, double)
				}
			}
		}
		f.If(n, "LT", 2*neon.Lanes, "loopEnd")
		f.Label("loop")
		step(2)
		f.Inc(2*neon.Bytes, x)
		f.Inc(-2*neon.Lanes, n)
		f.If(n, "GE", 2*neon.Lanes, "loop")
		f.Label("loopEnd")
		f.IfZero(n, "done")
		step(1)
		f.Label("done")
		for i, sum := range sums {
			f.Store(sum, at[i/4], neon.Bytes*(i%4))
		}
		f.Ret()
	})
}
