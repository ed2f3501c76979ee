package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

var (
	bnllLoop     = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.BNLL(v.a[i:j], v.y[i:j]) }}
	bnllBackLoop = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.BNLLBackward(v.a[i:j], v.b[i:j], v.y[i:j]) }}
	eluLoop      = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.ELU(v.alpha, v.a[i:j], v.y[i:j]) }}
	eluBackLoop  = vectorLoop{Body: func(v *vectors, _, i, j int) {
		vec.ELUBackward(v.alpha, v.a[i:j], v.b[i:j], v.y[i:j])
	}}
	swishLoop     = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Swish(v.alpha, v.a[i:j], v.y[i:j]) }}
	swishBackLoop = vectorLoop{Body: func(v *vectors, _, i, j int) {
		vec.SwishBackward(v.alpha, v.a[i:j], v.b[i:j], v.y[i:j])
	}}
	clipLoop     = vectorLoop{Body: func(v *vectors, _, i, j int) { vec.Clip(v.alpha, v.beta, v.a[i:j], v.y[i:j]) }}
	clipBackLoop = vectorLoop{Body: func(v *vectors, _, i, j int) {
		vec.ClipBackward(v.alpha, v.beta, v.a[i:j], v.b[i:j], v.y[i:j])
	}}
)

// BNLL sets y to log(1 + exp(x)), as Caffe's bnll_layer.cpp does, with an error of
// at most 3 units in the last place. y may be x.
func BNLL(p *parallel.Pool, x, y []float32) {
	if direct(p, len(y)) {
		vec.BNLL(x, y)
		return
	}
	vec.Check("BNLL", len(x), len(y))
	bnllLoop.Run(p, len(y), vec.Block, vectors{a: x, y: y})
}

// BNLLBackward sets dx to dy/(1 + exp(-x)), the gradient of BNLL. dx may be dy.
func BNLLBackward(p *parallel.Pool, x, dy, dx []float32) {
	if direct(p, len(dx)) {
		vec.BNLLBackward(x, dy, dx)
		return
	}
	vec.Check("BNLLBackward", min(len(x), len(dy)), len(dx))
	bnllBackLoop.Run(p, len(dx), vec.Block, vectors{a: x, b: dy, y: dx})
}

// ELU sets y to x where x > 0 and to alpha (exp(x) - 1) elsewhere, as Caffe's
// elu_layer.cpp does. y may be x.
func ELU(p *parallel.Pool, alpha float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.ELU(alpha, x, y)
		return
	}
	vec.Check("ELU", len(x), len(y))
	eluLoop.Run(p, len(y), vec.Block, vectors{alpha: alpha, a: x, y: y})
}

// ELUBackward sets dx to dy where y > 0 and to dy (y + alpha) elsewhere: the
// gradient of ELU with an alpha that is not negative, whose output is y. dx may be
// dy.
func ELUBackward(p *parallel.Pool, alpha float32, y, dy, dx []float32) {
	if direct(p, len(dx)) {
		vec.ELUBackward(alpha, y, dy, dx)
		return
	}
	vec.Check("ELUBackward", min(len(y), len(dy)), len(dx))
	eluBackLoop.Run(p, len(dx), vec.Block, vectors{alpha: alpha, a: y, b: dy, y: dx})
}

// Swish sets y to x/(1 + exp(-beta x)), as Caffe's swish_layer.cpp does. y may be x.
func Swish(p *parallel.Pool, beta float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.Swish(beta, x, y)
		return
	}
	vec.Check("Swish", len(x), len(y))
	swishLoop.Run(p, len(y), vec.Block, vectors{alpha: beta, a: x, y: y})
}

// SwishBackward sets dx to the gradient of Swish: with s = 1/(1 + exp(-beta x)),
//
//	dx = dy s (1 + beta x (1 - s))
//
// dx may be dy.
func SwishBackward(p *parallel.Pool, beta float32, x, dy, dx []float32) {
	if direct(p, len(dx)) {
		vec.SwishBackward(beta, x, dy, dx)
		return
	}
	vec.Check("SwishBackward", min(len(x), len(dy)), len(dx))
	swishBackLoop.Run(p, len(dx), vec.Block, vectors{alpha: beta, a: x, b: dy, y: dx})
}

// Clip sets y to x, but not below lo or above hi, as Caffe's clip_layer.cpp does: a
// NaN becomes lo. y may be x.
func Clip(p *parallel.Pool, lo, hi float32, x, y []float32) {
	if direct(p, len(y)) {
		vec.Clip(lo, hi, x, y)
		return
	}
	vec.Check("Clip", len(x), len(y))
	clipLoop.Run(p, len(y), vec.Block, vectors{alpha: lo, beta: hi, a: x, y: y})
}

// ClipBackward sets dx to dy where lo <= x <= hi and to 0 elsewhere, the gradient of
// Clip. dx may be dy.
func ClipBackward(p *parallel.Pool, lo, hi float32, x, dy, dx []float32) {
	if direct(p, len(dx)) {
		vec.ClipBackward(lo, hi, x, dy, dx)
		return
	}
	vec.Check("ClipBackward", min(len(x), len(dy)), len(dx))
	clipBackLoop.Run(p, len(dx), vec.Block, vectors{alpha: lo, beta: hi, a: x, b: dy, y: dx})
}
