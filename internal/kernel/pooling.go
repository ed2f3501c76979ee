package kernel

import (
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/parallel"
)

// Two-dimensional pooling as Caffe's pooling_layer.cpp does it: windows are cut
// off at the padded image's right and bottom edges, and what they cover of the
// padding counts in the size by which AVE divides.

// PoolParams are the sizes of a pooling: Planes images of H·W numbers become as
// many of OutH·OutW. A window that lies outside the image altogether is
// allowed: its maximum is -MaxFloat32 with mask -1, its average 0.
type PoolParams struct {
	Planes, H, W, OutH, OutW, KernelH, KernelW, PadH, PadW, StrideH, StrideW int
}

func (g *PoolParams) check(fn string, in, out int) {
	vecCheck(fn, in, g.Planes*g.H*g.W)
	vecCheck(fn, out, g.Planes*g.OutH*g.OutW)
}

// span returns the part of a window from start on that lies in an image of size
// n, lo to hi, which may be empty, and its extent in the padded image.
func span(start, kernel, n, pad int) (lo, hi, extent int) {
	extent = min(start+kernel, n+pad) - start
	return max(start, 0), min(start+kernel, n), extent
}

// interior returns the range of outputs whose windows lie inside an image of
// size n along one axis.
func interior(n, out, kernel, pad, stride int) (lo, hi int) {
	if kernel > n {
		return 0, 0
	}
	lo = min(out, (pad+stride-1)/stride)
	hi = max(lo, min(out, (n-kernel+pad)/stride+1))
	return lo, hi
}

// global tells whether there is one window, which is the image.
func (g *PoolParams) global() bool {
	return g.OutH == 1 && g.OutW == 1 && g.PadH == 0 && g.PadW == 0 && g.KernelH == g.H && g.KernelW == g.W
}

// windowOps are loops for one size of windows, over the columns that a window
// has and the columns from one to the next. Those that are nil do not exist.
type windowOps struct {
	// Rows of n windows of kh rows each. The first begin at x[0], of which index
	// first in its plane is the column behind pad columns of padding, and the
	// next step numbers further.
	maxPool func(x []float32, width, step, rows, n, kh, pad, first int, y []float32, mask []int32)
	// The same, with a mean over height rows.
	avePool func(x []float32, width, step, rows, n, kh, pad int, height float32, y []float32)

	// A whole plane, up to the last row that a window may see; see fastSquare.
	maxUnpool func(dy []float32, mask []int32, outH, n int, dx []float32, height, width, padH, pad int)
	aveUnpool func(dy []float32, outH, n int, dx []float32, height, width, padH, pad int)
}

// Sizes that have windowOps.
const (
	windows2by2 = iota // 2 columns, 2 apart
	windows3by2
	windows3by1
	windowSizes
)

var noWindowOps windowOps

// fast returns the loops for the windows of g.
func (g *PoolParams) fast() *windowOps {
	// Every window sees some of the image.
	if g.PadH >= g.KernelH || g.PadW >= g.KernelW || (g.OutH-1)*g.StrideH-g.PadH >= g.H || (g.OutW-1)*g.StrideW-g.PadW >= g.W {
		return &noWindowOps
	}
	switch [2]int{g.KernelW, g.StrideW} {
	case [2]int{2, 2}:
		return &vec().windows[windows2by2]
	case [2]int{3, 2}:
		return &vec().windows[windows3by2]
	case [2]int{3, 1}:
		return &vec().windows[windows3by1]
	}
	return &noWindowOps
}

// fastSquare is fast if the windows are as many rows high and apart as columns.
func (g *PoolParams) fastSquare() *windowOps {
	if g.KernelH != g.KernelW || g.StrideH != g.StrideW {
		return &noWindowOps
	}
	return g.fast()
}

// alike returns how many rows of windows from row ph on see as many rows of the
// image, and the span of the first of them.
func (g *PoolParams) alike(ph int) (rows, lo, hi, extent int) {
	lo, hi, extent = span(ph*g.StrideH-g.PadH, g.KernelH, g.H, g.PadH)
	first, end := interior(g.H, g.OutH, g.KernelH, g.PadH, g.StrideH)
	if first <= ph && ph < end {
		return end - ph, lo, hi, extent
	}
	return 1, lo, hi, extent
}

// seen returns the size of the part of the plane, from its first row on, that
// unpooling with windowOps sets.
func (g *PoolParams) seen() int {
	rows := (g.OutH-1)*g.StrideH + g.KernelH - g.PadH
	return min(rows, g.H) * g.W
}

type poolArgs struct {
	PoolParams
	x, y []float32
	mask []int32
	pool *Pool
}

// MaxPoolForward sets y to the largest number of each window and mask to its
// index in the plane: of equal ones the first, -1 if there is none.
func MaxPoolForward(p *Pool, g PoolParams, x, y []float32, mask []int32) {
	g.check("MaxPoolForward", len(x), min(len(y), len(mask)))
	maxPoolJob.Run(p, g.Planes, planesPerPart(g.H*g.W), poolArgs{PoolParams: g, x: x, y: y, mask: mask})
}

// MaxPoolBackward sets dx to the sums of the dy whose mask points to each
// number. A mask outside the plane points to none.
func MaxPoolBackward(p *Pool, g PoolParams, dy []float32, mask []int32, dx []float32) {
	g.check("MaxPoolBackward", len(dx), min(len(dy), len(mask)))
	maxUnpoolJob.Run(p, g.Planes, planesPerPart(g.H*g.W), poolArgs{PoolParams: g, x: dx, y: dy, mask: mask})
}

// AvePoolForward sets y to the mean of each window.
func AvePoolForward(p *Pool, g PoolParams, x, y []float32) {
	g.check("AvePoolForward", len(x), len(y))
	avePoolJob.Run(p, g.Planes, planesPerPart(g.H*g.W), poolArgs{PoolParams: g, x: x, y: y})
}

// AvePoolBackward sets dx to the sums over the windows of dy over the window's
// size.
func AvePoolBackward(p *Pool, g PoolParams, dy, dx []float32) {
	g.check("AvePoolBackward", len(dx), len(dy))
	aveUnpoolJob.Run(p, g.Planes, planesPerPart(g.H*g.W), poolArgs{PoolParams: g, x: dx, y: dy, pool: p})
}

var maxPoolJob = parallel.Loop[poolArgs]{Body: func(a *poolArgs, _, lo, hi int) {
	in, out, fast := a.H*a.W, a.OutH*a.OutW, a.fast()
	for i := lo; i < hi; i++ {
		maxPoolPlane(&a.PoolParams, fast, a.x[i*in:(i+1)*in], a.y[i*out:(i+1)*out], a.mask[i*out:(i+1)*out])
	}
}}

func maxPoolPlane(g *PoolParams, fast *windowOps, x, y []float32, mask []int32) {
	if f := fast.maxPool; f != nil {
		for ph := 0; ph < g.OutH; {
			rows, h0, h1, _ := g.alike(ph)
			f(x[h0*g.W:], g.W, g.StrideH*g.W, rows, g.OutW, h1-h0, g.PadW, h0*g.W, y[ph*g.OutW:], mask[ph*g.OutW:])
			ph += rows
		}
		return
	}
	if g.global() {
		y[0], mask[0] = -math.MaxFloat32, -1
		if v := vec().max(x); v > y[0] {
			y[0], mask[0] = v, int32(slices.Index(x, v))
		}
		return
	}
	left, right := interior(g.W, g.OutW, g.KernelW, g.PadW, g.StrideW)
	for ph := range g.OutH {
		h0, h1, _ := span(ph*g.StrideH-g.PadH, g.KernelH, g.H, g.PadH)
		y, mask := y[ph*g.OutW:(ph+1)*g.OutW], mask[ph*g.OutW:(ph+1)*g.OutW]
		window := func(pw int) {
			w0, w1, _ := span(pw*g.StrideW-g.PadW, g.KernelW, g.W, g.PadW)
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
			vec().maxPoolRow(x[first:], g.W, h1-h0, g.KernelW, g.StrideW, first, y[left:right], mask[left:right])
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

var maxUnpoolJob = parallel.Loop[poolArgs]{Body: func(a *poolArgs, _, lo, hi int) {
	in, out := a.H*a.W, a.OutH*a.OutW
	fast := a.fastSquare().maxUnpool
	if a.KernelW == 3 && 2*a.OutW < vec().lanes {
		fast = nil // most of a vector would be empty; the sums are the same
	}
	for i := lo; i < hi; i++ {
		dx, dy, mask := a.x[i*in:(i+1)*in], a.y[i*out:(i+1)*out], a.mask[i*out:(i+1)*out]
		if fast != nil {
			fast(dy, mask, a.OutH, a.OutW, dx, a.H, a.W, a.PadH, a.PadW)
			clear(dx[a.seen():])
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

var avePoolJob = parallel.Loop[poolArgs]{Body: func(a *poolArgs, _, lo, hi int) {
	in, out, fast := a.H*a.W, a.OutH*a.OutW, a.fast()
	for i := lo; i < hi; i++ {
		avePoolPlane(&a.PoolParams, fast, a.x[i*in:(i+1)*in], a.y[i*out:(i+1)*out])
	}
}}

func avePoolPlane(g *PoolParams, fast *windowOps, x, y []float32) {
	if g.global() {
		y[0] = float32(vec().sum(x)) / float32(len(x))
		return
	}
	if f := fast.avePool; f != nil {
		for ph := 0; ph < g.OutH; {
			rows, h0, h1, height := g.alike(ph)
			f(x[h0*g.W:], g.W, g.StrideH*g.W, rows, g.OutW, h1-h0, g.PadW, float32(height), y[ph*g.OutW:])
			ph += rows
		}
		return
	}
	left, right := interior(g.W, g.OutW, g.KernelW, g.PadW, g.StrideW)
	for ph := range g.OutH {
		h0, h1, height := span(ph*g.StrideH-g.PadH, g.KernelH, g.H, g.PadH)
		y := y[ph*g.OutW : (ph+1)*g.OutW]
		if h0 >= h1 {
			clear(y)
			continue
		}
		window := func(pw int) {
			w0, w1, width := span(pw*g.StrideW-g.PadW, g.KernelW, g.W, g.PadW)
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
			vec().avePoolRow(x[first:], g.W, h1-h0, g.KernelW, g.StrideW, float32(height*g.KernelW), y[left:right])
		}
		for pw := right; pw < g.OutW; pw++ {
			window(pw)
		}
	}
}

var aveUnpoolJob = parallel.Loop[poolArgs]{Body: func(a *poolArgs, worker, lo, hi int) {
	in, out := a.H*a.W, a.OutH*a.OutW
	fast, global := a.fastSquare().aveUnpool, a.global()
	row := a.pool.Scratch(worker, a.W)
	for i := lo; i < hi; i++ {
		dy, dx := a.y[i*out:(i+1)*out], a.x[i*in:(i+1)*in]
		switch {
		case global:
			vec().fill(dx, dy[0]/float32(len(dx)))
		case fast != nil:
			fast(dy, a.OutH, a.OutW, dx, a.H, a.W, a.PadH, a.PadW)
			clear(dx[a.seen():])
		default:
			aveUnpoolPlane(&a.PoolParams, dy, dx, row)
		}
	}
}}

// aveUnpoolPlane spreads each row of dy along the width first, and adds the
// result to every row of the image that its windows cover.
func aveUnpoolPlane(g *PoolParams, dy, dx, row []float32) {
	known := 0 // rows of dx that have been written
	left, right := interior(g.W, g.OutW, g.KernelW, g.PadW, g.StrideW)
	for ph := range g.OutH {
		h0, h1, height := span(ph*g.StrideH-g.PadH, g.KernelH, g.H, g.PadH)
		if h0 >= h1 {
			continue
		}
		clear(row)
		d := dy[ph*g.OutW : (ph+1)*g.OutW]
		edge := func(pw int) {
			w0, w1, width := span(pw*g.StrideW-g.PadW, g.KernelW, g.W, g.PadW)
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
		if h0 > known {
			clear(dx[known*g.W : h0*g.W])
			known = h0
		}
		for h := h0; h < h1; h++ {
			to := dx[h*g.W : (h+1)*g.W]
			if h < known {
				vec().add(to, to, row)
			} else {
				copy(to, row)
			}
		}
		known = max(known, h1)
	}
	clear(dx[known*g.W:])
}

// spread adds scale·d[i] to the kernel numbers of row from i·stride on.
func spread(row, d []float32, stride, kernel int, scale float32) {
	for i, v := range d {
		r := row[i*stride:][:kernel]
		for k := range r {
			r[k] += float32(v * scale)
		}
	}
}
