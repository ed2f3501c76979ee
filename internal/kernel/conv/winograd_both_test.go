package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestLeaveGrad leaves the gradient of a normalization to each method that reads it, as if it were
// larger than the caches. The results are those of computing it before, to the last bit.
func TestLeaveGrad(t *testing.T) {
	defer func(stream, chunk, both int) { streamSize, ownChunk, bothSize = stream, chunk, both }(streamSize, ownChunk, bothSize)
	streamSize, ownChunk, bothSize = 1, 128<<10, 1
	defer func(cache func() int) { secondCache = cache }(secondCache)
	tests := []struct {
		Params
		parts int // of the gradient of the weights, if Backward computes it item by item; or 0
	}{
		{square(19, 16, 20, 1, 16, 3, 1, 1, 1), 4}, // a last block of fewer images
		{square(40, 33, 16, 1, 8, 3, 1, 1, 1), 3},  // several images a block
		{square(13, 20, 34, 1, 13, 3, 1, 1, 1), 4}, // tiles with three rows
		{square(24, 20, 16, 1, 12, 5, 2, 1, 1), 8}, // Fourier transforms
		{square(256, 70, 33, 1, 5, 3, 0, 1, 1), 0}, // dy and dx have other blocks
		{square(3, 16, 16, 1, 84, 3, 1, 1, 1), 0},  // bands
		{square(4, 16, 16, 1, 64, 3, 2, 1, 1), 0},  // bands of dy only
		{square(18, 64, 70, 1, 8, 3, 1, 1, 1), 0},  // one sum for all parts
		{square(2, 64, 128, 1, 14, 3, 1, 1, 1), 0}, // few tiles
		{square(24, 32, 34, 2, 10, 3, 1, 1, 1), 0}, // groups
		{square(9, 3, 20, 1, 16, 3, 1, 1, 1), 0},   // few channels
		{square(3, 40, 40, 40, 16, 3, 1, 1, 1), 0}, // depthwise
		{square(9, 40, 64, 1, 16, 1, 0, 1, 1), 0},  // one pixel
	}
	if testing.Short() {
		tests = tests[:3]
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%+v", test.Params), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				c := mustNew(t, test.Params)
				for threads := 1; threads < 10; threads++ {
					if got, want := c.TakesGrad(threads), test.parts > 0 && (test.parts%threads == 0 || test.parts >= 4*threads); got != want {
						t.Errorf("%d threads: TakesGrad returns %v", threads, got)
					}
				}
				for _, cache := range []int{0, largeCache} { // chunks as a whole and in pieces
					secondCache = func() int { return cache }
					checkLeftGrad(t, c)
				}
			})
		})
	}
}

// TestLeaveGradSmall leaves gradients that stay in the caches, of a rounded convolution and of an
// empty batch: they are computed before.
func TestLeaveGradSmall(t *testing.T) {
	small := mustNew(t, square(64, 64, 64, 1, 8, 3, 1, 1, 1))
	checkLeftGrad(t, small)
	defer func(stream, chunk int) { streamSize, ownChunk = stream, chunk }(streamSize, ownChunk)
	if small.TakesGrad(1) {
		t.Error("TakesGrad returns true of a gradient that stays in the caches")
	}
	streamSize, ownChunk = 1, 128<<10
	rounded := roundedConv(t, square(19, 16, 20, 1, 16, 3, 1, 1, 1))
	if rounded.TakesGrad(1) {
		t.Error("TakesGrad returns true of a rounded convolution")
	}
	checkLeftGrad(t, rounded)
	empty := mustNew(t, square(0, 16, 16, 1, 8, 3, 1, 1, 1))
	if empty.TakesGrad(1) {
		t.Error("TakesGrad returns true of an empty batch")
	}
	checkLeftGrad(t, empty)
}

// checkLeftGrad compares each method that reads dy, with and without its gradient left.
func checkLeftGrad(t *testing.T, c *Conv) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	weights, size := c.Outputs*c.groupChannels()*c.taps, c.Batch*c.Outputs*c.outSize
	x, weight := kerneltest.Guarded(r, c.Batch*c.Channels*c.inSize), kerneltest.Guarded(r, weights)
	y, gradient := kerneltest.Guarded(r, size), kerneltest.Guarded(r, size)
	m := norm.Norm{Slope: 0.25, Eps: 0.1, Factor: kerneltest.Guarded(r, c.Outputs)}
	m.Resize(c.Batch, c.Outputs, c.outSize)
	m.ForwardBatch(nil, y, make([]float32, size))
	sum, dot := make([]float64, c.Outputs), make([]float64, c.Outputs)

	// run returns the results of each method. dy is overwritten.
	run := func(p *parallel.Pool, dy func() []float32) (results [][]float32) {
		dw, db, dx := make([]float32, weights), make([]float32, c.Outputs), make([]float32, len(x))
		g := dy()
		c.Backward(p, x, weight, g, dw, db, dx)
		results = append(results, g, dw, db, dx)
		g, dw, dx = dy(), make([]float32, weights), make([]float32, len(x))
		c.Backward(p, x, weight, g, dw, nil, dx)
		results = append(results, g, dw, dx)
		g, dx = dy(), make([]float32, len(x))
		c.BackwardData(p, weight, g, dx)
		results = append(results, g, dx)
		g, dw, db = dy(), make([]float32, weights), make([]float32, c.Outputs)
		c.BackwardWeights(p, x, g, dw, db)
		results = append(results, g, dw, db)
		g, db = dy(), make([]float32, c.Outputs)
		c.BackwardBias(p, g, db)
		return append(results, g, db)
	}
	var want [][]float32
	kerneltest.EachPool(func(threads string, p *parallel.Pool) {
		c.LeaveGrad(nil)
		if want == nil {
			want = run(p, func() []float32 {
				dy := slices.Clone(gradient)
				m.Backward(p, true, y, dy, dy, sum, dot)
				return dy
			})
		}
		left := new(norm.ItemGrad)
		c.LeaveGrad(left)
		got := run(p, func() []float32 {
			if left.Left() {
				t.Fatalf("threads %s: a gradient is left", threads)
			}
			dy := slices.Clone(gradient)
			m.BackwardLater(p, true, y, dy, dy, sum, dot, left)
			return dy
		})
		c.LeaveGrad(nil)
		for i := range want {
			kerneltest.SameBits(t, fmt.Sprintf("result %d, threads %s", i, threads), got[i], want[i])
		}
	})
}
