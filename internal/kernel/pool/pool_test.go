package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// pooled returns the parameters of a pooling with Caffe's output sizes, which
// are rounded up, without windows that start after the image.
func pooled(planes, h, w, kh, kw, ph, pw, sh, sw int) Params {
	size := func(n, kernel, pad, stride int) int {
		out := (n+2*pad-kernel+stride-1)/stride + 1
		if pad > 0 && (out-1)*stride >= n+pad {
			out--
		}
		return out
	}
	return Params{planes, h, w, size(h, kh, ph, sh), size(w, kw, pw, sw), kh, kw, ph, pw, sh, sw}
}

var cases = []Params{
	pooled(3, 4, 4, 2, 2, 0, 0, 2, 2),
	pooled(2, 32, 32, 2, 2, 0, 0, 2, 2),
	pooled(2, 8, 70, 2, 2, 0, 0, 2, 2),
	pooled(2, 7, 9, 2, 2, 0, 0, 2, 2),
	pooled(2, 32, 32, 3, 3, 0, 0, 2, 2),
	pooled(2, 13, 41, 3, 3, 0, 0, 2, 2),
	pooled(2, 13, 13, 3, 3, 1, 1, 2, 2),
	pooled(2, 9, 37, 3, 3, 1, 1, 1, 1),
	pooled(1, 9, 37, 5, 2, 2, 1, 1, 2),
	pooled(3, 55, 55, 3, 3, 0, 0, 2, 2),
	pooled(2, 11, 67, 3, 3, 0, 0, 2, 2),
	pooled(2, 70, 71, 3, 3, 1, 1, 2, 2),
	pooled(2, 12, 64, 3, 3, 1, 2, 2, 2),
	pooled(2, 5, 131, 2, 2, 0, 0, 2, 2),
	pooled(2, 9, 35, 2, 2, 1, 1, 2, 2),
	pooled(2, 17, 17, 3, 3, 0, 0, 1, 1),
	pooled(3, 14, 14, 3, 3, 1, 1, 1, 1),
	pooled(5, 7, 7, 3, 3, 1, 1, 1, 1),
	pooled(2, 5, 33, 3, 3, 2, 2, 1, 1),
	pooled(2, 2, 16, 3, 3, 1, 1, 1, 1),
	{2, 9, 65, 3, 17, 3, 3, 0, 1, 1, 1}, // few windows, many columns
	pooled(2, 9, 33, 2, 3, 1, 2, 3, 1),
	pooled(2, 9, 33, 4, 2, 1, 1, 3, 2),
	pooled(2, 9, 33, 1, 3, 0, 1, 1, 2),
	pooled(5, 1, 1, 3, 3, 1, 1, 2, 2),
	pooled(9, 70, 110, 2, 2, 0, 0, 2, 2), // several parts
	pooled(5, 2, 3, 2, 2, 0, 0, 2, 2),
	{2, 32, 32, 15, 15, 3, 3, 0, 0, 2, 2}, // rounded down: a row and a column are not covered
	{2, 9, 65, 4, 32, 2, 2, 0, 0, 2, 2},
	{2, 9, 65, 2, 3, 2, 2, 0, 0, 2, 2}, // few windows, many columns
	{2, 9, 65, 2, 3, 3, 3, 0, 1, 2, 2},
	pooled(2, 20, 20, 3, 3, 0, 0, 3, 3),
	pooled(2, 20, 20, 2, 3, 1, 2, 3, 4),
	pooled(4, 8, 8, 8, 8, 0, 0, 1, 1),
	pooled(40, 30, 30, 2, 2, 0, 0, 2, 2), // several parts
	pooled(1, 3, 3, 7, 7, 3, 3, 1, 1),    // a window larger than the image
	pooled(1, 2, 2, 1, 1, 0, 0, 5, 5),
	{1, 5, 5, 4, 4, 1, 1, 0, 0, 3, 3}, // the last windows are outside
	{1, 5, 5, 4, 4, 2, 2, 0, 0, 3, 3},
	pooled(0, 4, 4, 2, 2, 0, 0, 2, 2),
}

// randomCases returns n possible poolings, of small planes: most windows have loops of their own.
func randomCases(n int) []Params {
	r := rand.New(rand.NewPCG(4, 3))
	list := make([]Params, 0, n)
	for len(list) < n {
		kh, kw, sh, sw := 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(2), 1+r.IntN(2)
		if r.IntN(4) > 0 {
			kh, sh = kw, sw
		}
		g := pooled(1+r.IntN(3), 1+r.IntN(12), 1+r.IntN(40), kh, kw, r.IntN(kh), r.IntN(kw), sh, sw)
		if r.IntN(3) == 0 {
			g.OutH, g.OutW = 1+r.IntN(max(1, g.OutH)), 1+r.IntN(max(1, g.OutW)) // windows that leave out an edge
		}
		if g.OutH > 0 && g.OutW > 0 {
			list = append(list, g)
		}
	}
	return list
}

// windows calls f for each output, with the bounds of its window in the image
// and its extent in the padded image.
func (g *Params) windows(f func(plane, out, h0, h1, w0, w1, size int)) {
	for plane := range g.Planes {
		for oh := range g.OutH {
			for ow := range g.OutW {
				hs, ws := oh*g.StrideH-g.PadH, ow*g.StrideW-g.PadW
				size := (min(hs+g.KernelH, g.H+g.PadH) - hs) * (min(ws+g.KernelW, g.W+g.PadW) - ws)
				f(plane, (plane*g.OutH+oh)*g.OutW+ow,
					max(hs, 0), min(hs+g.KernelH, g.H), max(ws, 0), min(ws+g.KernelW, g.W), size)
			}
		}
	}
}

func TestMax(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, g := range slices.Concat(cases, randomCases(60)) {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				r := rand.New(rand.NewPCG(4, 1))
				in, out := g.H*g.W, g.OutH*g.OutW
				x, dy := kerneltest.Guarded(r, g.Planes*in), kerneltest.Guarded(r, g.Planes*out)
				for i := range x {
					x[i] = float32(math.Round(2 * float64(x[i]))) // many ties
					switch r.IntN(20) {
					case 0:
						x[i] = float32(math.NaN())
					case 1:
						x[i] = float32(math.Inf(2*r.IntN(2) - 1))
					}
				}
				wantY, wantMask := make([]float32, len(dy)), make([]int32, len(dy))
				wantDx := make([]float64, len(x))
				g.windows(func(plane, o, h0, h1, w0, w1, _ int) {
					wantY[o], wantMask[o] = -math.MaxFloat32, -1
					for h := h0; h < h1; h++ {
						for w := w0; w < w1; w++ {
							if v := x[plane*in+h*g.W+w]; v > wantY[o] {
								wantY[o], wantMask[o] = v, int32(h*g.W+w)
							}
						}
					}
					if wantMask[o] >= 0 {
						wantDx[plane*in+int(wantMask[o])] += float64(dy[o])
					}
				})
				kerneltest.EachPool(func(threads string, p *parallel.Pool) {
					y, dx, mask := kerneltest.Guarded(r, len(dy)), kerneltest.Guarded(r, len(x)), make([]int32, len(dy))
					MaxForward(p, g, Input{}, x, y, mask)
					kerneltest.CheckGuards(t, "y", y)
					kerneltest.SameBits(t, "y", y, wantY)
					for i := range mask {
						if mask[i] != wantMask[i] {
							t.Fatalf("mask[%d] = %d, want %d", i, mask[i], wantMask[i])
						}
					}
					values := kerneltest.Guarded(r, len(dy))
					MaxForward(p, g, Input{}, x, values, nil)
					kerneltest.CheckGuards(t, "y without the mask", values)
					kerneltest.SameBits(t, "y without the mask", values, wantY)
					MaxBackward(p, g, mask, dy, dx)
					kerneltest.CheckGuards(t, "dx", dx)
					kerneltest.Near(t, "dx", dx, wantDx, 16*kerneltest.Eps)
				})
			})
		}
	})
}

// TestFences checks that no pooling touches memory next to its arguments.
func TestFences(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 5))
		for _, g := range slices.Concat(cases, randomCases(60)) {
			kerneltest.EachFence(t, fmt.Sprint(g), func(slice func(r *rand.Rand, n int) []float32) {
				x, y := slice(r, g.Planes*g.H*g.W), slice(r, g.Planes*g.OutH*g.OutW)
				mask := slice(r, len(y))
				places := unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(mask))), len(mask))
				MaxForward(nil, g, Input{}, x, y, places)
				MaxBackward(nil, g, places, y, x)
				AveForward(nil, g, Input{}, x, y)
				AveBackward(nil, g, y, x)
			})
		}
	})
}

func TestMaxBackwardIgnoresBadMasks(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, g := range []Params{pooled(1, 4, 4, 2, 2, 0, 0, 2, 2), pooled(1, 4, 4, 3, 3, 0, 0, 1, 1)} {
			dx := []float32{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}
			MaxBackward(nil, g, []int32{-1, 16, math.MinInt32, math.MaxInt32}, []float32{1, 2, 3, 4}, dx)
			for i, v := range dx {
				if v != 0 {
					t.Errorf("dx[%d] = %g, want 0", i, v)
				}
			}
		}
	})
}

func TestAve(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, g := range slices.Concat(cases, randomCases(60)) {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				r := rand.New(rand.NewPCG(4, 2))
				in, out := g.H*g.W, g.OutH*g.OutW
				x, dy := kerneltest.Guarded(r, g.Planes*in), kerneltest.Guarded(r, g.Planes*out)
				wantY, wantDx := make([]float64, len(dy)), make([]float64, len(x))
				g.windows(func(plane, o, h0, h1, w0, w1, size int) {
					for h := h0; h < h1; h++ {
						for w := w0; w < w1; w++ {
							wantY[o] += float64(x[plane*in+h*g.W+w]) / float64(size)
							wantDx[plane*in+h*g.W+w] += float64(dy[o]) / float64(size)
						}
					}
				})
				var first, firstDx []float32
				kerneltest.EachPool(func(threads string, p *parallel.Pool) {
					y, dx := kerneltest.Guarded(r, len(dy)), kerneltest.Guarded(r, len(x))
					AveForward(p, g, Input{}, x, y)
					AveBackward(p, g, dy, dx)
					kerneltest.CheckGuards(t, "y", y)
					kerneltest.CheckGuards(t, "dx", dx)
					kerneltest.Near(t, "y", y, wantY, 64*kerneltest.Eps)
					kerneltest.Near(t, "dx", dx, wantDx, 64*kerneltest.Eps)
					if first == nil {
						first, firstDx = y, dx
					}
					kerneltest.SameBits(t, "y, threads "+threads, y, first)
					kerneltest.SameBits(t, "dx, threads "+threads, dx, firstDx)
				})
			})
		}
	})
}

func TestAllocations(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	g := pooled(9, 50, 50, 3, 3, 1, 1, 2, 2)
	wide := pooled(9, 50, 50, 5, 5, 2, 2, 3, 3)
	x, y, mask := make([]float32, 9*50*50), make([]float32, 9*50*50), make([]int32, 9*50*50)
	kerneltest.AllocatesNothing(t, map[string]func(){
		"MaxForward":                func() { MaxForward(p, g, Input{}, x, y, mask) },
		"MaxForward, no mask":       func() { MaxForward(p, g, Input{}, x, y, nil) },
		"MaxForward, wide, no mask": func() { MaxForward(p, wide, Input{}, x, y, nil) },
		"MaxBackward":               func() { MaxBackward(p, g, mask, y, x) },
		"AveForward":                func() { AveForward(p, g, Input{}, x, y) },
		"MaxForward of a map":       func() { MaxForward(p, g, Input{Map: doubled{}, Channels: 1}, x, y, mask) },
		"AveBackward":               func() { AveBackward(p, g, y, x) },
		"AveBackward, wide windows": func() { AveBackward(p, wide, y, x) },
	})
}

// doubled is a map that depends on the channel.
type doubled struct{}

func (doubled) Apply(ch int, x, y []float32) {
	for i, v := range x {
		y[i] = 2*v - float32(ch)
	}
}

// TestInput compares the passes that compute a map of x with those of the map, to the last bit.
func TestInput(t *testing.T) {
	const channels = 3
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, g := range append(slices.Clone(cases), randomCases(50)...) {
			in, out := g.H*g.W, g.OutH*g.OutW
			r := rand.New(rand.NewPCG(4, 5))
			x, mapped := kerneltest.Guarded(r, g.Planes*in), make([]float32, g.Planes*in)
			for i := range g.Planes {
				doubled{}.Apply(i%channels, x[i*in:(i+1)*in], mapped[i*in:])
			}
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				kerneltest.Dirty(p)
				want, got := make([]float32, g.Planes*out), kerneltest.Guarded(r, g.Planes*out)
				wantMask, mask := make([]int32, len(want)), make([]int32, len(want))
				of := Input{Map: doubled{}, Channels: channels}
				AveForward(p, g, Input{}, mapped, want)
				AveForward(p, g, of, x, got)
				kerneltest.SameBits(t, fmt.Sprint("means of ", g), got, want)
				MaxForward(p, g, Input{}, mapped, want, wantMask)
				MaxForward(p, g, of, x, got, mask)
				kerneltest.SameBits(t, fmt.Sprint("maxima of ", g), got, want)
				if !slices.Equal(mask, wantMask) {
					t.Errorf("%v, %s: the places of the maxima differ", g, threads)
				}
				MaxForward(p, g, of, x, got, nil)
				kerneltest.SameBits(t, fmt.Sprint("maxima without a mask of ", g), got, want)
				kerneltest.CheckGuards(t, "y", got)
			})
		}
	})
}
