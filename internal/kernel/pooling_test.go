package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// pooled returns the parameters of a pooling with Caffe's output sizes, which
// are rounded up, without windows that begin behind the image.
func pooled(planes, h, w, kh, kw, ph, pw, sh, sw int) PoolParams {
	size := func(n, kernel, pad, stride int) int {
		out := (n+2*pad-kernel+stride-1)/stride + 1
		if pad > 0 && (out-1)*stride >= n+pad {
			out--
		}
		return out
	}
	return PoolParams{planes, h, w, size(h, kh, ph, sh), size(w, kw, pw, sw), kh, kw, ph, pw, sh, sw}
}

var poolCases = []PoolParams{
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
	pooled(2, 9, 33, 2, 3, 1, 2, 3, 1),
	pooled(2, 9, 33, 4, 2, 1, 1, 3, 2),
	pooled(2, 9, 33, 1, 3, 0, 1, 1, 2),
	pooled(5, 1, 1, 3, 3, 1, 1, 2, 2),
	pooled(5, 2, 3, 2, 2, 0, 0, 2, 2),
	{2, 32, 32, 15, 15, 3, 3, 0, 0, 2, 2}, // rounded down: a row and a column are not seen
	{2, 9, 65, 4, 32, 2, 2, 0, 0, 2, 2},
	{2, 9, 65, 2, 3, 2, 2, 0, 0, 2, 2}, // few windows, many columns
	{2, 9, 65, 2, 3, 3, 3, 0, 1, 2, 2},
	pooled(2, 20, 20, 3, 3, 0, 0, 3, 3),
	pooled(2, 20, 20, 2, 3, 1, 2, 3, 4),
	pooled(4, 8, 8, 8, 8, 0, 0, 1, 1),
	pooled(40, 30, 30, 2, 2, 0, 0, 2, 2), // several parts
	pooled(1, 3, 3, 7, 7, 3, 3, 1, 1),    // a window larger than the image
	pooled(1, 2, 2, 1, 1, 0, 0, 5, 5),
	{1, 5, 5, 4, 4, 1, 1, 0, 0, 3, 3}, // the last windows lie outside
	{1, 5, 5, 4, 4, 2, 2, 0, 0, 3, 3},
	pooled(0, 4, 4, 2, 2, 0, 0, 2, 2),
}

// windows calls f for each output, with the bounds of its window in the image
// and its extent in the padded image.
func (g *PoolParams) windows(f func(plane, out, h0, h1, w0, w1, size int)) {
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

func TestMaxPool(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, g := range poolCases {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				r := rand.New(rand.NewPCG(4, 1))
				in, out := g.H*g.W, g.OutH*g.OutW
				x, dy := guarded(r, g.Planes*in), guarded(r, g.Planes*out)
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
				eachPool(func(threads string, p *Pool) {
					y, dx, mask := guarded(r, len(dy)), guarded(r, len(x)), make([]int32, len(dy))
					MaxPoolForward(p, g, x, y, mask)
					checkGuards(t, "y", y)
					sameBits(t, "y", y, wantY)
					for i := range mask {
						if mask[i] != wantMask[i] {
							t.Fatalf("mask[%d] = %d, want %d", i, mask[i], wantMask[i])
						}
					}
					MaxPoolBackward(p, g, dy, mask, dx)
					checkGuards(t, "dx", dx)
					near(t, "dx", dx, wantDx, 16*eps)
				})
			})
		}
	})
}

func TestMaxPoolBackwardPassesOverBadMasks(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, g := range []PoolParams{pooled(1, 4, 4, 2, 2, 0, 0, 2, 2), pooled(1, 4, 4, 3, 3, 0, 0, 1, 1)} {
			dx := []float32{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}
			MaxPoolBackward(nil, g, []float32{1, 2, 3, 4}, []int32{-1, 16, math.MinInt32, math.MaxInt32}, dx)
			for i, v := range dx {
				if v != 0 {
					t.Errorf("dx[%d] = %g, want 0", i, v)
				}
			}
		}
	})
}

func TestAvePool(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, g := range poolCases {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				r := rand.New(rand.NewPCG(4, 2))
				in, out := g.H*g.W, g.OutH*g.OutW
				x, dy := guarded(r, g.Planes*in), guarded(r, g.Planes*out)
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
				eachPool(func(threads string, p *Pool) {
					y, dx := guarded(r, len(dy)), guarded(r, len(x))
					AvePoolForward(p, g, x, y)
					AvePoolBackward(p, g, dy, dx)
					checkGuards(t, "y", y)
					checkGuards(t, "dx", dx)
					near(t, "y", y, wantY, 64*eps)
					near(t, "dx", dx, wantDx, 64*eps)
					if first == nil {
						first, firstDx = y, dx
					}
					sameBits(t, "y, threads "+threads, y, first)
					sameBits(t, "dx, threads "+threads, dx, firstDx)
				})
			})
		}
	})
}
