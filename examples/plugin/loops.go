package gempooling

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

// Package kernel has the averages, products and exponentials of this layer; the
// rest are loops of its own, which run on the threads of the net. A loop is cut
// into parts of a fixed length, so the result is the same for every number of
// threads.

// part is the number of elements in a part: some 20 µs of logarithms.
const part = 2048

// arrays are the arguments of the loops, which set y.
type arrays struct {
	x, m, y []float32
	p       float64
	eps     float32
}

type loop = parallel.Loop[arrays]

// logLoop sets y to log(max(x, eps)). NaN stays NaN.
var logLoop = loop{Body: func(a *arrays, _, from, to int) {
	for i, x := range a.x[from:to] {
		a.y[from+i] = float32(math.Log(float64(max(x, a.eps))))
	}
}}

// rootLoop sets y to m^(1/p). A mean that float32 rounds to zero counts as the
// smallest normal number, in m too.
var rootLoop = loop{Body: func(a *arrays, _, from, to int) {
	for i, m := range a.m[from:to] {
		m = max(m, 0x1p-126)
		a.m[from+i] = m
		a.y[from+i] = float32(math.Exp(math.Log(float64(m)) / a.p))
	}
}}

// exponentLoop sets y, the mean of c^p log c, to dy/dp. x is the top.
var exponentLoop = loop{Body: func(a *arrays, _, from, to int) {
	for i, x := range a.x[from:to] {
		m, weighted := float64(a.m[from+i]), float64(a.y[from+i])
		a.y[from+i] = float32(float64(x) * (weighted/(a.p*m) - math.Log(m)/(a.p*a.p)))
	}
}}

// inputLoop multiplies y by c^(p-1), or by 0 where x is no larger than eps. m is
// c^p.
var inputLoop = loop{Body: func(a *arrays, _, from, to int) {
	for i, x := range a.x[from:to] {
		if x <= a.eps {
			a.y[from+i] = 0
			continue
		}
		a.y[from+i] *= a.m[from+i] / x
	}
}}
