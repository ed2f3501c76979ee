package pool

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// AveForward sets y to the mean of each window.
func AveForward(p *parallel.Pool, g Params, in Input, x, y []float32) {
	g.check("AvePoolForward", len(x), len(y))
	run(p, &aveLoop, args{Params: g, x: x, y: y, Input: in})
}

var aveLoop = parallel.Loop[args]{Body: func(a *args, worker, lo, hi int) {
	special := a.special()
	buf := a.pool.Scratch(worker, a.mappedSize())
	for i := lo; i < hi; i++ {
		x, y := a.planes(i)
		avePlane(&a.Params, special, a.mapped(i, x, buf), y)
	}
}}

// AvePlane is AveForward for one plane, in one thread.
func AvePlane(g *Params, x, y []float32) { avePlane(g, g.special(), x, y) }

func avePlane(g *Params, special *specialOps, x, y []float32) {
	if g.global() {
		y[0] = float32(vec.Sum(x)) / float32(len(x))
		return
	}
	if f := special.avePool; f != nil {
		for ph := 0; ph < g.OutH; {
			n, h0, h1, height := g.alike(ph)
			f(x[h0*g.W:], g.W, g.StrideH*g.W, n, g.OutW, h1-h0, g.PadW, float32(height), y[ph*g.OutW:])
			ph += n
		}
		return
	}
	left, right := g.interiorColumns()
	for ph := range g.OutH {
		h0, h1, height := g.rows(ph)
		y := y[ph*g.OutW : (ph+1)*g.OutW]
		if h0 >= h1 {
			clear(y)
			continue
		}
		window := func(pw int) {
			w0, w1, width := g.columns(pw)
			y[pw] = 0
			if w0 < w1 {
				y[pw] = sumWindow(x[h0*g.W+w0:], g.W, h1-h0, w1-w0) / float32(height*width)
			}
		}
		for pw := range left {
			window(pw)
		}
		if left < right {
			first := h0*g.W + left*g.StrideW - g.PadW
			active().aveRow(x[first:], g.W, h1-h0, g.KernelW, g.StrideW, float32(height*g.KernelW), y[left:right])
		}
		for pw := right; pw < g.OutW; pw++ {
			window(pw)
		}
	}
}

// AveBackward sets each element of dx to the sum, over the windows that cover it,
// of dy divided by the size of the window.
func AveBackward(p *parallel.Pool, g Params, dy, dx []float32) {
	g.check("AvePoolBackward", len(dx), len(dy))
	run(p, &aveUnpoolLoop, args{Params: g, x: dx, y: dy})
}

var aveUnpoolLoop = parallel.Loop[args]{Body: func(a *args, worker, lo, hi int) {
	special, global := a.specialSquare().aveUnpool, a.global()
	row := a.pool.Scratch(worker, a.W)
	for i := lo; i < hi; i++ {
		dx, dy := a.planes(i)
		switch {
		case global:
			vec.Fill(dy[0]/float32(len(dx)), dx)
		case special != nil:
			special(dy, a.OutH, a.OutW, dx, a.H, a.W, a.PadH, a.PadW)
			clear(dx[a.covered():])
		default:
			aveUnpoolPlane(&a.Params, dy, dx, row)
		}
	}
}}

// aveUnpoolPlane spreads each row of dy along the width first, into row, and adds
// the result to every row of the image that its windows cover.
func aveUnpoolPlane(g *Params, dy, dx, row []float32) {
	written := 0 // rows of dx
	left, right := g.interiorColumns()
	for ph := range g.OutH {
		h0, h1, height := g.rows(ph)
		if h0 >= h1 {
			continue
		}
		clear(row)
		d := dy[ph*g.OutW : (ph+1)*g.OutW]
		edge := func(pw int) {
			w0, w1, width := g.columns(pw)
			for w := w0; w < w1; w++ {
				row[w] += d[pw] / float32(height*width)
			}
		}
		for pw := range left {
			edge(pw)
		}
		if left < right {
			spread(row[left*g.StrideW-g.PadW:], d[left:right], g.StrideW, g.KernelW, 1/float32(height*g.KernelW))
		}
		for pw := right; pw < g.OutW; pw++ {
			edge(pw)
		}
		if h0 > written {
			clear(dx[written*g.W : h0*g.W])
			written = h0
		}
		for h := h0; h < h1; h++ {
			to := dx[h*g.W : (h+1)*g.W]
			if h < written {
				vec.Add(to, row, to)
			} else {
				copy(to, row)
			}
		}
		written = max(written, h1)
	}
	clear(dx[written*g.W:])
}

// spread adds scale·d[i] to the kernel elements of row from i·stride on.
func spread(row, d []float32, stride, kernel int, scale float32) {
	for i, v := range d {
		r := row[i*stride:][:kernel]
		for k := range r {
			r[k] += float32(v * scale)
		}
	}
}
