package pool

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// MaxForward sets y to the largest element of each window and mask to its index in the
// plane: the first of equal elements, -1 if there is none. If mask is nil, it is left out.
func MaxForward(p *parallel.Pool, g Params, in Input, x, y []float32, mask []int32) {
	out := len(y)
	if mask != nil {
		out = min(out, len(mask))
	}
	g.check("MaxPoolForward", len(x), out)
	run(p, &maxLoop, args{Params: g, x: x, y: y, mask: mask, Input: in})
}

var maxLoop = parallel.Loop[args]{Body: func(a *args, worker, lo, hi int) {
	special := a.special()
	size, n := a.mappedSize(), 0
	if a.mask == nil && special.maxValue == nil {
		n = a.OutH * a.OutW
	}
	buf := a.pool.Scratch(worker, size+n)
	var unused []int32
	if n > 0 {
		unused = unsafe.Slice((*int32)(unsafe.Pointer(&buf[size])), n)
	}
	for i := lo; i < hi; i++ {
		x, y := a.planes(i)
		mask := unused
		if a.mask != nil {
			mask = a.planeMask(i)
		}
		maxPlane(&a.Params, special, a.mapped(i, x, buf[:size]), y, mask)
	}
}}

// maxPlane computes a plane. A nil mask is for special loops without.
func maxPlane(g *Params, special *specialOps, x, y []float32, mask []int32) {
	if f := special.maxValue; f != nil && mask == nil {
		for ph := 0; ph < g.OutH; {
			n, h0, h1, _ := g.alike(ph)
			f(x[h0*g.W:], g.W, g.StrideH*g.W, n, g.OutW, h1-h0, g.PadW, y[ph*g.OutW:])
			ph += n
		}
		return
	}
	if f := special.maxPool; f != nil {
		for ph := 0; ph < g.OutH; {
			n, h0, h1, _ := g.alike(ph)
			f(x[h0*g.W:], g.W, g.StrideH*g.W, n, g.OutW, h1-h0, g.PadW, h0*g.W, y[ph*g.OutW:], mask[ph*g.OutW:])
			ph += n
		}
		return
	}
	if g.global() {
		y[0], mask[0] = -math.MaxFloat32, -1
		if v := vec.Max(x); v > y[0] {
			y[0], mask[0] = v, int32(slices.Index(x, v))
		}
		return
	}
	left, right := g.interiorColumns()
	for ph := range g.OutH {
		h0, h1, _ := g.rows(ph)
		y, mask := y[ph*g.OutW:(ph+1)*g.OutW], mask[ph*g.OutW:(ph+1)*g.OutW]
		window := func(pw int) {
			w0, w1, _ := g.columns(pw)
			if h0 >= h1 || w0 >= w1 {
				y[pw], mask[pw] = maxWindow(nil, 0, 0, 0, 0)
				return
			}
			first := h0*g.W + w0
			y[pw], mask[pw] = maxWindow(x[first:], g.W, h1-h0, w1-w0, first)
		}
		for pw := range left {
			window(pw)
		}
		if left < right && h0 < h1 {
			first := h0*g.W + left*g.StrideW - g.PadW
			active().maxRow(x[first:], g.W, h1-h0, g.KernelW, g.StrideW, first, y[left:right], mask[left:right])
		} else {
			for pw := left; pw < right; pw++ {
				window(pw)
			}
		}
		for pw := right; pw < g.OutW; pw++ {
			window(pw)
		}
	}
}

// MaxBackward sets each element of dx to the sum of the dy whose mask is its index. A
// mask outside the plane is ignored.
func MaxBackward(p *parallel.Pool, g Params, mask []int32, dy, dx []float32) {
	g.check("MaxPoolBackward", len(dx), min(len(dy), len(mask)))
	run(p, &maxUnpoolLoop, args{Params: g, x: dx, y: dy, mask: mask})
}

var maxUnpoolLoop = parallel.Loop[args]{Body: func(a *args, _, lo, hi int) {
	special := a.specialSquare().maxUnpool
	if a.KernelW == 3 && 2*a.OutW < active().lanes {
		special = nil // most of a vector would be empty; the sums are the same
	}
	for i := lo; i < hi; i++ {
		dx, dy := a.planes(i)
		mask := a.planeMask(i)
		if special != nil {
			special(dy, mask, a.OutH, a.OutW, dx, a.H, a.W, a.PadH, a.PadW)
			clear(dx[a.covered():])
			continue
		}
		clear(dx)
		for k, at := range mask {
			if uint(at) < uint(len(dx)) {
				dx[at] += dy[k]
			}
		}
	}
}}
