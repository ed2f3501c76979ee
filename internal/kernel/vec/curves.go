package vec

import "math"

// The functions in this file are those of the layers with the same names.

// BNLL sets y to log(1 + exp(x)), to within 3 units in the last place.
func BNLL(x, y []float32) {
	Check("BNLL", len(x), len(y))
	active().bnll(y, x[:len(y)])
}

// BNLLBackward sets dx to dy/(1 + exp(-x)).
func BNLLBackward(x, dy, dx []float32) {
	Check("BNLLBackward", min(len(x), len(dy)), len(dx))
	active().bnllGrad(dx, x[:len(dx)], dy[:len(dx)])
}

// ELU sets y to x where x > 0 and to alpha·(exp(x) - 1) elsewhere.
func ELU(alpha float32, x, y []float32) {
	Check("ELU", len(x), len(y))
	active().elu(y, x[:len(y)], alpha)
}

// ELUBackward sets dx to dy where y > 0 and to dy·(y + alpha) elsewhere.
func ELUBackward(alpha float32, y, dy, dx []float32) {
	Check("ELUBackward", min(len(y), len(dy)), len(dx))
	active().eluGrad(dx, y[:len(dx)], dy[:len(dx)], alpha)
}

// Swish sets y to x/(1 + exp(-beta·x)).
func Swish(beta float32, x, y []float32) {
	Check("Swish", len(x), len(y))
	active().swish(y, x[:len(y)], beta)
}

// SwishBackward sets dx to dy times the derivative of Swish at x.
func SwishBackward(beta float32, x, dy, dx []float32) {
	Check("SwishBackward", min(len(x), len(dy)), len(dx))
	active().swishGrad(dx, x[:len(dx)], dy[:len(dx)], beta)
}

// Clip sets y to x, but not below lo or above hi. A NaN becomes lo, as in Caffe's
// clip_layer.cpp.
func Clip(lo, hi float32, x, y []float32) {
	Check("Clip", len(x), len(y))
	active().clip(y, x[:len(y)], lo, hi)
}

// ClipBackward sets dx to dy where lo <= x <= hi and to 0 elsewhere.
func ClipBackward(lo, hi float32, x, dy, dx []float32) {
	Check("ClipBackward", min(len(x), len(dy)), len(dx))
	active().clipGrad(dx, x[:len(dx)], dy[:len(dx)], lo, hi)
}

func bnllGeneric(dst, x []float32) {
	for i := range dst {
		v := float64(x[i])
		dst[i] = float32(math.Max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))))
	}
}

// logistic returns 1/(1 + exp(-x)).
func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func bnllGradGeneric(dst, x, dy []float32) {
	for i := range dst {
		dst[i] = dy[i] * float32(logistic(float64(x[i])))
	}
}

func eluGeneric(dst, x []float32, alpha float32) {
	for i := range dst {
		v := x[i]
		if !(v > 0) {
			v = float32(alpha*(float32(math.Exp(float64(v)))-1)) + 0 // not -0
		}
		dst[i] = v
	}
}

func eluGradGeneric(dst, y, dy []float32, alpha float32) {
	for i := range dst {
		slope := y[i] + alpha
		if y[i] > 0 {
			slope = 1
		}
		dst[i] = dy[i] * slope
	}
}

func swishGeneric(dst, x []float32, beta float32) {
	for i := range dst {
		dst[i] = x[i] * float32(logistic(float64(beta*x[i])))
	}
}

func swishGradGeneric(dst, x, dy []float32, beta float32) {
	for i := range dst {
		v := float64(beta * x[i])
		s := logistic(v)
		dst[i] = dy[i] * float32(s*(1+v*(1-s)))
	}
}

func clipGeneric(dst, x []float32, lo, hi float32) {
	for i := range dst {
		v := x[i]
		if hi < v {
			v = hi
		}
		if !(v > lo) {
			v = lo
		}
		dst[i] = v
	}
}

func clipGradGeneric(dst, x, dy []float32, lo, hi float32) {
	for i := range dst {
		var v float32
		if lo <= x[i] && x[i] <= hi {
			v = dy[i]
		}
		dst[i] = v
	}
}
