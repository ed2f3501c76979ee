package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// mapped are convolutions that read x by vectors of channels.
var mapped = []Params{
	square(2, 16, 16, 1, 8, 3, 1, 1, 1),
	square(33, 40, 70, 2, 18, 3, 1, 1, 1), // groups, and channels that do not fill a vector
	square(2, 65, 70, 1, 7, 3, 1, 1, 1),
	square(5, 17, 33, 1, 6, 3, 0, 1, 1),
	square(3, 20, 24, 1, 5, 3, 2, 1, 1), // more padding than the algorithm needs
	square(2, 16, 24, 1, 1, 3, 1, 1, 1),
	square(1, 24, 16, 1, 66, 3, 1, 1, 1), // bands of rows
	square(9, 16, 20, 1, 13, 5, 2, 1, 1),
	square(1, 150, 90, 1, 14, 3, 1, 1, 1),  // few tiles
	square(2, 40, 70, 2, 9, 3, 1, 1, 1),    // and groups
	square(2, 200, 300, 1, 8, 3, 1, 1, 1),  // few tiles, and one part in the gradient
	square(20, 512, 520, 1, 6, 3, 1, 1, 1), // one part in the gradient
	square(3, 19, 19, 19, 12, 3, 1, 2, 1),  // groups of one channel
	square(20, 16, 16, 16, 7, 3, 1, 1, 1),  // of several images
	square(1, 18, 18, 18, 45, 5, 2, 2, 2),  // bands of rows
	square(2, 35, 35, 35, 33, 3, 0, 2, 1),  // rows that fill vectors
	square(1, 100, 100, 100, 14, 3, 1, 1, 1),
	square(2, 18, 18, 18, 24, 3, 1, 1, 1), // by vectors of pixels
	square(3, 17, 17, 17, 47, 3, 1, 2, 1),
	square(3, 32, 32, 4, 14, 3, 1, 1, 1),                                                    // joined groups
	square(2, 64, 64, 8, 40, 3, 1, 1, 1),                                                    // and many tiles
	{1, 20, 20, 20, []int{40, 3}, []int{5, 1}, []int{4, 2}, []int{1, 2}, []int{1, 1}, true}, // adds the bias at the end
}

// TestMapInput compares convolutions of a map of x with those that compute it as they read x, to
// the last bit and for any number of threads, and next to protected pages.
func TestMapInput(t *testing.T) {
	list := mapped
	if testing.Short() {
		list = slices.Concat(mapped[:2], mapped[7:10], mapped[12:14], mapped[16:18])
	}
	for i, params := range list {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				c, empty := mustNew(t, params), params
				empty.Batch = 0
				if e := mustNew(t, empty); e.MapsInput() != c.MapsInput() {
					t.Error("MapsInput differs for an empty batch")
				} else if e.MapsInput() {
					e.MapInput(new(norm.ChannelMap))
					e.Forward(nil, nil, make([]float32, params.Outputs*params.Channels/params.Group*c.taps), nil, nil)
				}
				level := cpu.Active()
				byVectors := channelsOf[level] != nil && channelsGradOf[level] != nil && c.Channels >= gemm.Active().Lanes
				if want := byVectors || !depthwise(c.geometry); c.MapsInput() != want {
					t.Fatalf("MapsInput returns %v, want %v", !want, want)
				}
				if !c.MapsInput() || level == cpu.Generic && c.MACs() > 1<<26 { // those take Go's loops too long
					return
				}
				check := func(pool *parallel.Pool, slice func(r *rand.Rand, n int) []float32) {
					r := rand.New(rand.NewPCG(5, uint64(i)))
					x, mapped := slice(r, params.Batch*params.Channels*c.inSize), slice(r, params.Batch*params.Channels*c.inSize)
					weight, bias := slice(r, params.Outputs*params.Channels/params.Group*c.taps), slice(r, params.Outputs)
					dy := slice(r, params.Batch*params.Outputs*c.outSize)
					n := norm.Norm{Slope: 0.25 * float32(i%2), Eps: 0.1, Factor: slice(r, params.Channels), Shift: slice(r, params.Channels)}
					n.Resize(params.Batch, params.Channels, c.inSize)
					n.ForwardBatch(nil, x, mapped)
					input := n.Map()
					var results [2][5][]float32
					for j, from := range [][]float32{mapped, x} {
						if c.MapInput(nil); j == 1 {
							c.MapInput(&input)
						}
						y := slice(r, len(dy))
						dw, db := make([]float32, len(weight)), make([]float32, len(bias))
						c.Forward(pool, from, weight, bias, y)
						dx := make([]float32, len(x))
						c.BackwardData(pool, weight, dy, dx) // reads no x
						c.BackwardWeights(pool, from, dy, dw, db)
						both, bothX := make([]float32, len(weight)), make([]float32, len(x))
						c.Backward(pool, from, weight, dy, both, db, bothX)
						results[j] = [5][]float32{y, dw, dx, both, bothX}
					}
					for j, name := range []string{"y", "dweight", "dx", "dweight of both gradients", "dx of both gradients"} {
						kerneltest.SameBits(t, name, results[1][j], results[0][j])
					}
					kerneltest.SameBits(t, "dx with and without dweight", results[0][4], results[0][2])
				}
				kerneltest.EachPool(func(_ string, p *parallel.Pool) { check(p, kerneltest.Guarded) })
				if c.MACs() < 1<<22 {
					kerneltest.EachFence(t, "convolution", func(slice func(r *rand.Rand, n int) []float32) { check(nil, slice) })
				}
			})
		})
	}
}

// TestMapsNoInput has convolutions that read x in another way.
func TestMapsNoInput(t *testing.T) {
	direct := square(2, 16, 16, 1, 8, 3, 1, 1, 1)
	direct.Direct = true
	for _, params := range []Params{
		direct, square(2, 3, 64, 1, 8, 3, 1, 1, 1), square(2, 64, 64, 1, 8, 1, 0, 1, 1), square(2, 64, 64, 1, 8, 3, 1, 2, 1),
		square(2, 64, 64, 64, 8, 1, 0, 1, 1), square(2, 3, 3, 3, 8, 3, 1, 1, 1), square(2, 3, 3, 3, 28, 3, 1, 1, 1),
	} {
		c := mustNew(t, params)
		if c.MapsInput() {
			t.Errorf("%+v: MapsInput returns true", params)
		}
		c.MapInput(nil)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: MapInput does not panic", params)
				}
			}()
			c.MapInput(&norm.ChannelMap{Slope: 1})
		}()
	}
}

func mustNew(t *testing.T, params Params) *Conv {
	t.Helper()
	c, err := New(params)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
