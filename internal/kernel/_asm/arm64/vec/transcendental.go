package vec

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// polynomial returns the polynomial in x with some coefficients, the highest first.
func polynomial(f *neon.Func, x V, coefficients ...float64) V {
	p := f.Float(coefficients[0])
	for _, c := range coefficients[1:] {
		next := f.Variable(c)
		f.Fma(next, p, x)
		p = next
	}
	return p
}

// exp returns e to the power of x. As in Moshier's Cephes library (expf.c): x is split
// into n·ln 2 and a rest of at most ½ ln 2, for which a polynomial with his coefficients
// does.
func exp(f *neon.Func, x V) V {
	x = f.Max(f.Min(x, f.Float(89)), f.Float(-104)) // above, the result is infinite; below it is 0
	n := f.Round(f.Mul(x, f.Float(1.44269504088896341)))
	f.Fms(x, n, f.Float(0.693359375))
	f.Fms(x, n, f.Float(-2.12194440e-4))
	p := polynomial(f, x, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
	sum := f.Copy(x)
	f.Fma(sum, p, f.Mul(x, x))
	p = f.Add(sum, f.Float(1))

	// 2ⁿ in two factors, for n is as low as -150 and as high as 128.
	whole := f.ToInt(n)
	first := f.ShiftSigned(whole, 1)
	for _, e := range []V{first, f.SubInt(whole, first)} {
		p = f.Mul(p, f.ShiftLeft(f.AddInt(e, f.Bits(127)), 23))
	}
	return p
}

// tanh returns the hyperbolic tangent of x. As in Cephes' tanhf.c: a polynomial
// below 0.625, 1 - 2/(exp(2|x|)+1) above.
func tanh(f *neon.Func, x V) V {
	a := f.Abs(x)
	e := f.Add(exp(f, f.Add(a, a)), f.Float(1))
	big := f.Sub(f.Float(1), f.Div(f.Float(2), e))
	big = f.Or(big, f.And(x, f.Bits(0x80000000)))

	z := f.Mul(x, x)
	p := polynomial(f, z, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
	small := f.Copy(x)
	f.Fma(small, f.Mul(p, z), x)
	f.Blend(f.Greater(f.Float(0.625), a), small, big)
	return big
}

// logOf1p returns the logarithm of 1 + x, for 1 + x between the roots of 1/2 and 2, with
// the coefficients of Cephes' logf.c.
func logOf1p(f *neon.Func, x V) V {
	p := polynomial(f, x, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
	p = f.Add(f.Mul(p, x), f.Float(-0.5))
	sum := f.Copy(x)
	f.Fma(sum, f.Mul(x, x), p)
	return sum
}

// log returns the natural logarithm of x: e ln 2 + log(1+f) for x = 2^e (1+f).
func log(f *neon.Func, x V) V {
	v := f.Copy(x)
	subnormal := f.Greater(f.Float(0x1p-126), x)
	f.Blend(subnormal, f.Mul(x, f.Float(0x1p23)), v)
	extra := f.And(subnormal, f.Float(23))

	whole := f.ShiftSigned(f.SubInt(v, f.Bits(0x3f3504f3)), 23) // the root of 1/2
	v = f.Add(f.SubInt(v, f.ShiftLeft(whole, 23)), f.Float(-1))
	e := f.Sub(f.FromInt(whole), extra)

	y := logOf1p(f, v)
	f.Fma(y, e, f.Float(-2.12194440e-4)) // ln 2 in two parts
	f.Fma(y, e, f.Float(0.693359375))
	ordinary := f.Greater(x, f.Float(0)) // neither NaN, 0 nor negative
	special := f.Copy(f.Bits(0x7fc00000))
	f.Blend(f.Equal(x, f.Float(0)), f.Bits(0xff800000), special) // -Inf
	f.Blend(ordinary, y, special)
	f.Blend(f.Greater(x, f.Float(0x1.fffffep127)), x, special)
	return special
}

// logistic returns 1/(1 + exp(-x)).
func logistic(f *neon.Func, x V) V {
	one := f.Float(1)
	return f.Div(one, f.Add(exp(f, f.Neg(x)), one))
}

// bnll returns max(x, 0) + log(1 + exp(-|x|)).
func bnll(f *neon.Func, x V) V {
	positive := f.Max(x, f.Float(0))
	e := exp(f, f.Or(x, f.Bits(0x80000000)))
	// Above the root of 2 the logarithm is ln 2 + log(1+g) with 1+g = (1+e)/2.
	halved := f.Greater(e, f.Float(0.41421356))
	f.Blend(halved, f.Mul(f.Add(e, f.Float(-1)), f.Float(0.5)), e)
	y := f.Add(logOf1p(f, e), f.And(halved, f.Float(0.693147181)))
	return f.Add(y, positive)
}

func transcendental(file *neon.File) {
	for _, m := range []struct {
		name, doc string
		body      func(f *neon.Func, x V) V
	}{
		{"log", "the natural logarithm of x", log},
		{"exp", "e to the power of x", exp},
		{"tanh", "the hyperbolic tangent of x", tanh},
		{"sigmoid", "½ tanh(½x) + ½", func(f *neon.Func, x V) V {
			half := f.Float(0.5)
			y := f.Copy(half)
			f.Fma(y, tanh(f, f.Mul(x, half)), half)
			return y
		}},
	} {
		file.Map(neon.Mapping{
			Name: m.name, Signature: "(dst, x []float32)",
			Doc: "sets dst to " + m.doc + ".",
			In:  []string{"x"}, Out: []string{"dst"}, Unroll: 2,
			Body: func(f *neon.Func, in, _ []V) []V { return one(m.body(f, in[0])) },
		})
	}
}
