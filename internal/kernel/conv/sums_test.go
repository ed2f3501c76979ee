package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestForwardSums takes the sums of the output of each way to compute a convolution, as if it were
// larger than the caches. The output is that of Forward, to the last bit. The statistics are those
// of it, and the same bits for every number of threads.
func TestForwardSums(t *testing.T) {
	defer func(n int) { streamSize = n }(streamSize)
	streamSize = 1
	for _, test := range []struct {
		Params
		whole bool // planes are summed as ChannelStats does, where there are vectors of channels too
	}{
		{square(5, 64, 20, 1, 16, 3, 1, 1, 1), false},                                                                     // several images a block
		{square(3, 16, 40, 1, 43, 3, 1, 1, 1), false},                                                                     // bands
		{square(1, 40, 16, 1, 37, 3, 0, 1, 1), false},                                                                     // bands that depend on the number of threads
		{square(1, 40, 16, 1, 41, 3, 1, 1, 1), false},                                                                     // the same, of tiles with three rows
		{square(2, 32, 34, 2, 40, 3, 1, 1, 1), false},                                                                     // groups
		{square(9, 17, 16, 1, 15, 5, 2, 1, 1), false},                                                                     // Fourier transforms
		{square(2, 16, 17, 1, 50, 5, 2, 1, 1), false},                                                                     // bands of them, which end beyond the plane
		{Params{3, 16, 20, 1, []int{5, 150}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, false},           // the same of F(4x4,3x3)
		{square(60, 16, 19, 1, 7, 3, 1, 1, 1), false},                                                                     // F(2x2,3x3)
		{square(3, 40, 40, 40, 16, 3, 1, 1, 1), false},                                                                    // depthwise
		{square(2, 19, 19, 19, 81, 3, 1, 2, 1), false},                                                                    // bands, and lanes of two parts
		{square(5, 3, 20, 1, 32, 3, 1, 1, 1), true},                                                                       // lines
		{square(2, 32, 32, 4, 40, 3, 1, 1, 1), false},                                                                     // joined groups
		{square(9, 24, 24, 6, 14, 3, 1, 1, 1), true},                                                                      // flat copies
		{square(3, 9, 21, 1, 19, 3, 1, 2, 1), true},                                                                       // tiles
		{square(2, 40, 70, 1, 30, 1, 0, 1, 1), true},                                                                      // one pixel, pieces of planes
		{square(9, 40, 130, 2, 9, 1, 0, 2, 1), true},                                                                      // planes that are cut together
		{square(1, 130, 300, 1, 14, 1, 0, 1, 1), true},                                                                    // few pixels
		{square(1, 40, 64, 1, 14, 3, 1, 2, 1), true},                                                                      // few pixels with larger kernels
		{square(1, 64, 64, 1, 14, 3, 1, 1, 1), true},                                                                      // few tiles: not taken
		{square(4, 5, 30, 1, 3, 3, 0, 1, 1), true},                                                                        // one pixel: not taken
		{Params{3, 16, 16, 1, []int{19}, []int{3}, []int{1}, []int{1}, []int{1}, false}, true},                            // one axis
		{Params{2, 18, 18, 1, []int{9, 8}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, true}, true},               // Caffe's order
		{Params{2, 40, 40, 40, []int{81, 81}, []int{3, 3}, []int{1, 1}, []int{2, 2}, []int{1, 1}, true}, true},            // the same, depthwise: the bias is added last
		{Params{2, 3, 5, 1, []int{7, 8, 9}, []int{3, 2, 1}, []int{1, 0, 1}, []int{1, 2, 1}, []int{2, 1, 1}, false}, true}, // three axes
	} {
		t.Run(fmt.Sprintf("%+v", test.Params), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				c, err := New(test.Params)
				if err != nil {
					t.Fatal(err)
				}
				checkSums(t, c, test.whole)
			})
		})
	}
}

// TestForwardSumsRounded takes no sums of convolutions with operands rounded to bfloat16.
func TestForwardSumsRounded(t *testing.T) {
	defer func(n int) { streamSize = n }(streamSize)
	streamSize = 1
	kerneltest.EachLevel(t, func(t *testing.T) { checkSums(t, roundedConv(t, square(8, 16, 16, 1, 14, 3, 1, 1, 1)), true) })
}

// spoilSums has vec.NewSums return NaN.
func spoilSums(n int) {
	var all []*[]float64
	for range 8 {
		sums := vec.NewSums(4 * n)
		for i := range *sums {
			(*sums)[i] = math.NaN()
		}
		all = append(all, sums)
	}
	for _, sums := range all {
		vec.FreeSums(sums)
	}
}

// checkSums compares what ForwardSums computes with Forward and ChannelStats.
func checkSums(t *testing.T, c *Conv, whole bool) {
	r := rand.New(rand.NewPCG(8, 8))
	x := kerneltest.Guarded(r, c.Batch*c.Channels*c.inSize)
	weight, bias := kerneltest.Guarded(r, c.Outputs*c.groupChannels()*c.taps), kerneltest.Guarded(r, c.Outputs)
	want := make([]float32, c.Batch*c.Outputs*c.outSize)
	c.Forward(nil, x, weight, bias, want)
	mean, variance := make([]float32, c.Outputs), make([]float32, c.Outputs)
	norm.ChannelStats(nil, c.Batch, c.Outputs, c.outSize, want, mean, variance)
	stats := slices.Concat(mean, variance)

	taken := c.outSize > 1 && !c.rounded.plan() && (c.winograd == nil || !c.winograd.forward.few())
	m := norm.Norm{Sums: new(norm.PlaneSums)}
	m.Resize(c.Batch, c.Outputs, c.outSize)
	var first []float32
	kerneltest.EachPool(func(threads string, p *parallel.Pool) {
		y := make([]float32, len(want))
		spoilSums(len(want))
		m.Sums.Begin(c.Batch, c.Outputs, c.outSize, nil)
		m.Sums.End() // sums that nobody has used
		c.ForwardSums(p, x, weight, bias, y, m.Sums)
		kerneltest.SameBits(t, "y, threads "+threads, y, want)
		if taken { // from the sums alone
			kerneltest.Fill(y, kerneltest.Guard)
		}
		m.ForwardBatch(p, y, nil)
		got := slices.Concat(m.Mean, m.Variance)
		if !taken {
			c.ForwardSums(p, x, weight, bias, y, m.Sums)
			kerneltest.Fill(y, kerneltest.Guard)
			if m.ForwardBatch(p, y, nil); m.Mean[0] == m.Mean[0] {
				t.Error("sums are taken")
			}
		}
		if first == nil {
			first = got
		}
		kerneltest.SameBits(t, "statistics, threads "+threads, got, first)
		if whole {
			kerneltest.SameBits(t, "statistics of whole planes", got, stats)
		}
		for i, v := range stats {
			if d := got[i] - v; !(d*d <= 1e-12*max(1, v*v)) {
				t.Fatalf("statistic %d is %g, want %g", i, got[i], v)
			}
		}
	})
}
