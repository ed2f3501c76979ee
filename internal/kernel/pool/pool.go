// Package pool computes two-dimensional pooling like Caffe's pooling_layer.cpp:
// windows end at the right and bottom edges of the padded image, and the size that
// divides an average includes the padding.
package pool

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject pool -out ../pool/pool_amd64.s -stubs ../pool/stubs_amd64.go -pkg pool
//go:generate go run -C ../_asm ./arm64 -subject pool -out ../pool/pool_arm64.s -stubs ../pool/stubs_arm64.go

// Params are the sizes of a pooling: Planes images of (H,W) become as many of
// (OutH,OutW). Windows outside the image are allowed: their maximum is -MaxFloat32 with
// mask -1, their average 0.
type Params struct {
	Planes, H, W, OutH, OutW, KernelH, KernelW, PadH, PadW, StrideH, StrideW int
}

func (g *Params) check(fn string, in, out int) {
	vec.Check(fn, in, g.Planes*g.H*g.W)
	vec.Check(fn, out, g.Planes*g.OutH*g.OutW)
}

// global reports whether the only window is the whole image.
func (g *Params) global() bool {
	return g.OutH == 1 && g.OutW == 1 && g.PadH == 0 && g.PadW == 0 && g.KernelH == g.H && g.KernelW == g.W
}

// rows returns the rows of the image that row ph of windows covers, from lo to
// hi-1, and the height of these windows in the padded image.
func (g *Params) rows(ph int) (lo, hi, height int) {
	return span(ph*g.StrideH-g.PadH, g.KernelH, g.H, g.PadH)
}

// columns returns the same for column pw of windows.
func (g *Params) columns(pw int) (lo, hi, width int) {
	return span(pw*g.StrideW-g.PadW, g.KernelW, g.W, g.PadW)
}

// span returns the part lo to hi-1, which may be empty, of a window from start on that is
// in an image of size n, and the window's extent in the padded image.
func span(start, kernel, n, pad int) (lo, hi, extent int) {
	extent = min(start+kernel, n+pad) - start
	return max(start, 0), min(start+kernel, n), extent
}

// interiorRows returns the range of the rows of windows inside the image.
func (g *Params) interiorRows() (lo, hi int) {
	return interior(g.H, g.OutH, g.KernelH, g.PadH, g.StrideH)
}

// interiorColumns returns the same for the columns of windows.
func (g *Params) interiorColumns() (lo, hi int) {
	return interior(g.W, g.OutW, g.KernelW, g.PadW, g.StrideW)
}

// interior returns the range of the windows along one axis that are inside an image of
// size n.
func interior(n, out, kernel, pad, stride int) (lo, hi int) {
	if kernel > n {
		return 0, 0
	}
	lo = min(out, (pad+stride-1)/stride)
	hi = max(lo, min(out, (n-kernel+pad)/stride+1))
	return lo, hi
}

// alike returns the number of rows of windows, from row ph on, that cover the same number
// of rows of the image, and the span of the first of them.
func (g *Params) alike(ph int) (n, lo, hi, height int) {
	lo, hi, height = g.rows(ph)
	first, end := g.interiorRows()
	if first <= ph && ph < end {
		return end - ph, lo, hi, height
	}
	return 1, lo, hi, height
}

// An Input is what a forward pass computes of x as it reads x: a map of each channel of items
// that have some channels, or nothing if Map is nil.
type Input struct {
	Map interface {
		Apply(ch int, x, y []float32) // sets y to the map of x
	}
	Channels int
}

// args are the arguments of a loop over planes. Backward passes have dx in x and
// dy in y.
type args struct {
	Params
	x, y []float32
	mask []int32
	pool *parallel.Pool
	Input
}

// run runs a loop over the planes.
func run(p *parallel.Pool, loop *parallel.Loop[args], a args) {
	a.pool = p
	loop.Run(p, a.Planes, max(1, vec.Block/max(1, a.H*a.W)), a)
}

// planes returns plane i of x and of y.
func (a *args) planes(i int) (x, y []float32) {
	in, out := a.H*a.W, a.OutH*a.OutW
	return a.x[i*in : (i+1)*in], a.y[i*out : (i+1)*out]
}

// mapped returns what a forward pass reads as plane i of x, in buf if it is a map.
func (a *args) mapped(i int, x, buf []float32) []float32 {
	if a.Map == nil {
		return x
	}
	a.Map.Apply(i%a.Channels, x, buf)
	return buf
}

// mappedSize returns the number of elements that mapped needs in buf.
func (a *args) mappedSize() int {
	if a.Map == nil {
		return 0
	}
	return a.H * a.W
}

// planeMask returns plane i of mask.
func (a *args) planeMask(i int) []int32 {
	out := a.OutH * a.OutW
	return a.mask[i*out : (i+1)*out]
}
