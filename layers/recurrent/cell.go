package recurrent

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// A cell is one time step of an LSTM: n streams of d units. The rows of x, acts and dx
// hold four blocks of d elements, in this order: the input gate i, the forget gate f,
// the output gate o and the input g of each unit.
type cell struct {
	n, d       int
	cont       []float32 // (n)
	x          []float32 // (n,4d)
	acts       []float32 // (n,4d): σ(i), cont σ(f), σ(o) and tanh(g) of x; may be x
	prev, c, h []float32 // (n,d): the cell before the step, the cell and the output after it

	// For the backward pass: dc and dh are inputs.
	dc, dh, dx, dprev []float32 // dprev may be dc
	bound             float32   // if above 0, the largest magnitude of the elements of dx
}

// cellBlock is the number of units in each part of a loop.
const cellBlock = 1024

// each splits [from,to) of the n·d units by streams and calls f for each piece, the
// units from lo to hi of a stream.
func (c *cell) each(from, to int, f func(stream, lo, hi int)) {
	for from < to {
		stream, lo := from/c.d, from%c.d
		hi := min(c.d, lo+to-from)
		f(stream, lo, hi)
		from += hi - lo
	}
}

// blocks returns block k of a row of 4d elements for the units from lo to hi.
func (c *cell) block(x []float32, stream, k, lo, hi int) []float32 {
	at := (4*stream + k) * c.d
	return x[at+lo : at+hi]
}

// forward computes acts, and with them
//
//	c = cont σ(f) prev + σ(i) tanh(g)
//	h = σ(o) tanh(c)
//
// If cont is 0, the forget gate is 0 for every x.
func (c *cell) forward(p *parallel.Pool) { cellForward.Run(p, c.n*c.d, cellBlock, *c) }

var cellForward = parallel.Loop[cell]{Body: func(a *cell, _, from, to int) {
	a.each(from, to, func(n, lo, hi int) {
		for k := range 3 {
			kernel.Sigmoid(nil, a.block(a.x, n, k, lo, hi), a.block(a.acts, n, k, lo, hi))
		}
		kernel.TanH(nil, a.block(a.x, n, 3, lo, hi), a.block(a.acts, n, 3, lo, hi))
		i, f, o, g := a.block(a.acts, n, 0, lo, hi), a.block(a.acts, n, 1, lo, hi), a.block(a.acts, n, 2, lo, hi), a.block(a.acts, n, 3, lo, hi)
		if a.cont[n] == 0 {
			kernel.Fill(nil, 0, f)
		} else if a.cont[n] != 1 {
			kernel.Scale(nil, a.cont[n], f, f)
		}
		lo, hi = lo+n*a.d, hi+n*a.d
		prev, c, h := a.prev[lo:hi], a.c[lo:hi], a.h[lo:hi]
		for j := range c {
			c[j] = f[j]*prev[j] + i[j]*g[j]
		}
		kernel.TanH(nil, c, h)
		kernel.Mul(nil, o, h, h)
	})
}}

// backward computes dx and dprev. As in Caffe, the derivative of the forget gate uses
// cont σ(f) as the sigmoid, which is exact if cont is 0 or 1.
func (c *cell) backward(p *parallel.Pool) { cellBackward.Run(p, c.n*c.d, cellBlock, *c) }

var cellBackward = parallel.Loop[cell]{Body: func(a *cell, _, from, to int) {
	a.each(from, to, func(n, lo, hi int) {
		i, f, o, g := a.block(a.acts, n, 0, lo, hi), a.block(a.acts, n, 1, lo, hi), a.block(a.acts, n, 2, lo, hi), a.block(a.acts, n, 3, lo, hi)
		di, df, do, dg := a.block(a.dx, n, 0, lo, hi), a.block(a.dx, n, 1, lo, hi), a.block(a.dx, n, 2, lo, hi), a.block(a.dx, n, 3, lo, hi)
		lo, hi = lo+n*a.d, hi+n*a.d
		prev, dc, dh, dprev := a.prev[lo:hi], a.dc[lo:hi], a.dh[lo:hi], a.dprev[lo:hi]
		kernel.TanH(nil, a.c[lo:hi], do)
		for j, t := range do {
			cell := dc[j] + dh[j]*o[j]*(1-t*t)
			do[j] = dh[j] * t * o[j] * (1 - o[j])
			di[j] = cell * g[j] * i[j] * (1 - i[j])
			df[j] = cell * prev[j] * f[j] * (1 - f[j])
			dg[j] = cell * i[j] * (1 - g[j]*g[j])
			dprev[j] = cell * f[j]
		}
		if a.bound > 0 {
			for _, dx := range [][]float32{di, df, do, dg} {
				kernel.Clip(nil, -a.bound, a.bound, dx, dx)
			}
		}
	})
}}
