package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestRows checks that convolutions by vectors of pixels have the same results as in another way, to
// the last bit but for the gradient of the weights, for any number of threads, also next to
// protected pages and in each width of vectors.
func TestRows(t *testing.T) {
	for _, params := range []Params{
		square(2, 3, 3, 3, 16, 3, 1, 1, 1),
		square(1, 2, 2, 2, 131, 3, 1, 1, 1), // bands, each of which is a part
		square(5, 30, 30, 30, 70, 3, 1, 1, 1),
		square(3, 17, 17, 17, 29, 3, 0, 1, 1),
		square(9, 40, 40, 40, 23, 3, 2, 1, 1), // several images in a part
		square(2, 2, 2, 2, 27, 3, 4, 1, 1),    // outputs that cover no pixel
		square(2, 19, 19, 19, 57, 3, 1, 2, 1), // an odd number of rows and columns
		square(3, 4, 4, 4, 132, 3, 1, 2, 1),
		{2, 3, 3, 3, []int{9, 64}, []int{3, 3}, []int{1, 1}, []int{2, 2}, []int{1, 1}, false},
		{2, 3, 3, 3, []int{2, 63}, []int{3, 3}, []int{1, 1}, []int{2, 2}, []int{1, 1}, false},
		square(1, 2, 2, 2, 56, 3, 1, 2, 1),
		square(2, 3, 3, 3, 34, 3, 0, 2, 1),
		square(2, 3, 3, 3, 39, 3, 3, 2, 1),
		square(2, 3, 3, 3, 31, 5, 2, 1, 1),
		square(2, 5, 5, 5, 50, 5, 0, 1, 1),
		square(2, 3, 3, 3, 45, 5, 2, 2, 1),
		square(2, 3, 3, 3, 60, 5, 1, 2, 1),
		{1, 3, 3, 3, []int{1, 40}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false},
		{1, 3, 3, 3, []int{90, 3}, []int{3, 3}, []int{1, 6}, []int{1, 1}, []int{1, 1}, false},
		{1, 2, 2, 2, []int{7, 5}, []int{3, 3}, []int{1, 14}, []int{2, 2}, []int{1, 1}, false}, // few pairs of a row
	} {
		t.Run(fmt.Sprint(params.Channels, params.In, params.Pad, params.Stride), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				sets := rowsOf[cpu.Active()]
				defer func() { rowsOf[cpu.Active()] = sets }()
				for _, set := range sets {
					size := func(k rowKernel) bool { return k.size == params.Kernel[0] }
					if mustNew(t, params).out[1] < set.lanes || !slices.ContainsFunc(set.kernels, size) {
						continue
					}
					check := func(pool *parallel.Pool, slice func(r *rand.Rand, n int) []float32) {
						var want rowsResult
						for _, sets := range [][]*rowKernels{nil, {set}} {
							rowsOf[cpu.Active()] = sets
							c := mustNew(t, params)
							if byRows := c.direct.forward.byRows(); byRows != (sets != nil) {
								t.Fatalf("byRows() = %v", byRows)
							}
							if p := c.direct.phases; p != nil && c.Kernel[0] == 3 && c.Pad[0] == 1 && c.Pad[1] == 1 {
								if p.prepare(); p.rows.fits() != (sets != nil) {
									t.Fatal("the phases are not computed by vectors of pixels, or are without them")
								}
							}
							got := rowsResultOf(c, pool, slice)
							if want.y == nil {
								want = got
								continue
							}
							kerneltest.SameBits(t, "y", got.y, want.y)
							kerneltest.SameBits(t, "dx", got.dx, want.dx)
							kerneltest.SameBits(t, "dx of both gradients", got.bothX, want.dx)
							tolerance := kerneltest.Tolerance(c.Batch * c.outSize)
							kerneltest.Near(t, "dweight", got.dweight, want.dweights(), tolerance)
							kerneltest.Near(t, "dweight of both gradients", got.both, want.dweights(), tolerance)
						}
					}
					check(nil, kerneltest.Guarded)
					kerneltest.EachFence(t, "convolution", func(slice func(r *rand.Rand, n int) []float32) { check(nil, slice) })

					var first rowsResult
					kerneltest.EachPool(func(threads string, p *parallel.Pool) {
						c := mustNew(t, params)
						got := rowsResultOf(c, p, kerneltest.Guarded)
						if first.y == nil {
							first = got
						}
						kerneltest.SameBits(t, "dweight, threads "+threads, got.dweight, first.dweight)
						kerneltest.SameBits(t, "dweight of both gradients, threads "+threads, got.both, first.both)
					})
				}
			})
		})
	}
}

// rowsResult holds the results of all passes.
type rowsResult struct{ y, dx, dweight, both, bothX []float32 }

// dweights returns dweight as float64.
func (r *rowsResult) dweights() (list []float64) {
	for _, v := range r.dweight {
		list = append(list, float64(v))
	}
	return list
}

// rowsResultOf runs all passes of c.
func rowsResultOf(c *Conv, pool *parallel.Pool, slice func(r *rand.Rand, n int) []float32) rowsResult {
	r := rand.New(rand.NewPCG(3, 8))
	x, weight, bias := slice(r, c.Batch*c.Channels*c.inSize), slice(r, c.Channels*c.taps), slice(r, c.Channels)
	dy := slice(r, c.Batch*c.Channels*c.outSize)
	result := rowsResult{slice(r, len(dy)), slice(r, len(x)), make([]float32, len(weight)), make([]float32, len(weight)), slice(r, len(x))}
	c.Forward(pool, x, weight, bias, result.y)
	c.BackwardData(pool, weight, dy, result.dx)
	c.BackwardWeights(pool, x, dy, result.dweight, nil)
	c.Backward(pool, x, weight, dy, result.both, nil, result.bothX)
	return result
}

// TestRowsAllocate checks that convolutions by vectors of pixels allocate nothing from pass to pass.
func TestRowsAllocate(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(1)
		defer p.Close()
		whole, strided := mustNew(t, square(2, 16, 16, 16, 28, 3, 1, 1, 1)), mustNew(t, square(2, 16, 16, 16, 40, 3, 1, 2, 1))
		x, y, dx := make([]float32, 2*16*1600), make([]float32, 2*16*784), make([]float32, 2*16*1600)
		weight, dweight, bias := make([]float32, 16*9), make([]float32, 16*9), make([]float32, 16)
		kerneltest.AllocatesNothing(t, map[string]func(){
			"Forward":                 func() { whole.Forward(p, x, weight, bias, y) },
			"BackwardData":            func() { whole.BackwardData(p, weight, y, dx) },
			"BackwardWeights":         func() { whole.BackwardWeights(p, x, y, dweight, bias) },
			"Backward":                func() { whole.Backward(p, x, weight, y, dweight, bias, dx) },
			"strided Forward":         func() { strided.Forward(p, x, weight, bias, y) },
			"strided BackwardData":    func() { strided.BackwardData(p, weight, y, dx) },
			"strided BackwardWeights": func() { strided.BackwardWeights(p, x, y, dweight, bias) },
		})
	})
}
