package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// channelShapes are (n, c, s): planes of one element, small planes, more than one part,
// and none.
var channelShapes = [][3]int{
	{1, 1, 1}, {3, 5, 1}, {7, 300, 1}, {2, 3, 2}, {4, 7, 17}, {3, 4, 64}, {2, 5, 95}, {3, 2, vec.Block + 5}, {5, 40, 130}, {0, 3, 4}, {0, 3, 1}, {9, 0, 3},
	{9, 5, 4}, {8, 70, 9}, {11, 3, 16}, // small planes whose items are rows
	{2, 8, 6200}, // with one thread, Norm.Backward takes one channel after the other
}

// eachShape runs f on every level, shape and pool, with elements whose mean is large
// compared with their deviation.
func eachShape(t *testing.T, f func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string)) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, shape := range channelShapes {
			t.Run(fmt.Sprint(shape), func(t *testing.T) {
				kerneltest.EachPool(func(threads string, p *parallel.Pool) {
					r := rand.New(rand.NewPCG(3, 1)) // the same numbers for every pool
					f(t, r, shape[0], shape[1], shape[2], p, threads)
				})
			})
		}
	})
}

func TestChannelScaleShift(t *testing.T) {
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string) {
		scale, shift := kerneltest.Guarded(r, c), kerneltest.Guarded(r, c)
		for mode := range 4 {
			x, dst := kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s)
			a, b := scale, shift
			if mode&1 != 0 {
				a = nil
			}
			if mode&2 != 0 {
				b = nil
			}
			want := make([]float64, len(x))
			for i, v := range x {
				want[i] = float64(v)
				if a != nil {
					want[i] *= float64(a[i/s%c])
				}
				if b != nil {
					want[i] += float64(b[i/s%c])
				}
			}
			ChannelScaleShift(p, n, c, s, x, a, b, dst)
			kerneltest.Near(t, "dst", dst, want, 32*kerneltest.Eps)
			kerneltest.CheckGuards(t, "dst", dst)
			ChannelScaleShift(p, n, c, s, x, a, b, x)
			kerneltest.SameBits(t, "in place", x, dst)
		}
	})
}

func TestChannelSumAndDot(t *testing.T) {
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string) {
		x, y := kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s)
		sum, dot := kerneltest.Guarded(r, c), kerneltest.Guarded(r, c)
		wantSum, wantDot := make([]float64, c), make([]float64, c)
		for i := range x {
			wantSum[i/s%c] += float64(x[i])
			wantDot[i/s%c] += float64(x[i]) * float64(y[i])
		}
		ChannelSum(p, n, c, s, x, sum)
		ChannelDot(p, n, c, s, x, y, dot)
		kerneltest.CheckGuards(t, "sum", sum)
		kerneltest.CheckGuards(t, "dot", dot)
		for ch := range c {
			if sum[ch] != float32(wantSum[ch]) && math.Abs(float64(sum[ch])-wantSum[ch]) > 2*kerneltest.Eps*math.Abs(wantSum[ch]) {
				t.Errorf("sum[%d] = %g, want %g", ch, sum[ch], wantSum[ch])
			}
			if math.Abs(float64(dot[ch])-wantDot[ch]) > 2*kerneltest.Eps*math.Abs(wantDot[ch]) {
				t.Errorf("dot[%d] = %g, want %g", ch, dot[ch], wantDot[ch])
			}
		}
	})
}

// TestBatchNorm compares the statistics, the normalization and its gradient with float64
// loops, and checks that they are the same for any pool. The mean is a thousand standard
// deviations, for which E[x²]-E[x]² in float32 would be nothing but rounding errors.
func TestBatchNorm(t *testing.T) {
	type result struct{ mean, variance, y, dx []float32 }
	results := map[string]result{}
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string) {
		if n == 0 {
			ChannelStats(p, n, c, s, nil, make([]float32, c), make([]float32, c))
			ChannelNormalizeBackward(p, n, c, s, nil, make([]float32, c), nil, nil)
			return
		}
		x, dy := kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s)
		for i := range x {
			x[i] += float32(1000 * (i / s % c % 3))
		}
		mean, variance := kerneltest.Guarded(r, c), kerneltest.Guarded(r, c)
		m := float64(n * s)
		wantMean, wantVariance := make([]float64, c), make([]float64, c)
		for i, v := range x {
			wantMean[i/s%c] += float64(v) / m
		}
		for i, v := range x {
			d := float64(v) - wantMean[i/s%c]
			wantVariance[i/s%c] += d * d / m
		}
		ChannelStats(p, n, c, s, x, mean, variance)
		kerneltest.CheckGuards(t, "mean", mean)
		kerneltest.CheckGuards(t, "variance", variance)
		kerneltest.Near(t, "mean", mean, wantMean, 2000*kerneltest.Eps)
		kerneltest.Near(t, "variance", variance, wantVariance, 1e-6)

		invstd := make([]float32, c)
		for ch := range invstd {
			invstd[ch] = float32(1 / math.Sqrt(float64(variance[ch])+1e-5))
		}
		y, dx := kerneltest.Guarded(r, len(x)), kerneltest.Guarded(r, len(x))
		ChannelNormalize(p, n, c, s, x, mean, invstd, y)
		kerneltest.CheckGuards(t, "y", y)
		want := make([]float64, len(x))
		for i, v := range x {
			want[i] = (float64(v) - float64(mean[i/s%c])) * float64(invstd[i/s%c])
		}
		kerneltest.Near(t, "y", y, want, 32*kerneltest.Eps)

		meanDy, meanDyY := make([]float64, c), make([]float64, c)
		for i, d := range dy {
			meanDy[i/s%c] += float64(d) / m
			meanDyY[i/s%c] += float64(d) * float64(y[i]) / m
		}
		scale := 0.0
		for i, d := range dy {
			ch := i / s % c
			want[i] = (float64(d) - meanDy[ch] - meanDyY[ch]*float64(y[i])) * float64(invstd[ch])
			scale = max(scale, float64(invstd[ch])*(10+math.Abs(meanDyY[ch]*float64(y[i]))))
		}
		ChannelNormalizeBackward(p, n, c, s, y, invstd, dy, dx)
		kerneltest.CheckGuards(t, "dx", dx)
		kerneltest.Near(t, "dx", dx, want, 4*kerneltest.Eps*scale)

		z := slices.Clone(x)
		ChannelNormalize(p, n, c, s, z, mean, invstd, z)
		kerneltest.SameBits(t, "forward in place", z, y)
		copy(z, dy)
		ChannelNormalizeBackward(p, n, c, s, y, invstd, z, z)
		kerneltest.SameBits(t, "backward in place", z, dx)

		name := t.Name()
		first, ok := results[name]
		if !ok {
			results[name] = result{mean, variance, y, dx}
			return
		}
		kerneltest.SameBits(t, "mean, threads "+threads, mean, first.mean)
		kerneltest.SameBits(t, "variance, threads "+threads, variance, first.variance)
		kerneltest.SameBits(t, "y, threads "+threads, y, first.y)
		kerneltest.SameBits(t, "dx, threads "+threads, dx, first.dx)
	})
}
