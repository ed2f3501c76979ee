package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// channelShapes are (n, c, s): planes of one number, small ones, more than a
// part, and nothing.
var channelShapes = [][3]int{
	{1, 1, 1}, {3, 5, 1}, {7, 300, 1}, {2, 3, 2}, {4, 7, 17}, {3, 4, 64}, {2, 5, 95}, {3, 2, vecBlock + 5}, {5, 40, 130}, {0, 3, 4},
}

// eachShape runs f on every level, shape and pool, with numbers whose mean is
// large against their deviation.
func eachShape(t *testing.T, f func(t *testing.T, r *rand.Rand, n, c, s int, p *Pool, threads string)) {
	eachLevel(t, func(t *testing.T) {
		for _, shape := range channelShapes {
			t.Run(fmt.Sprint(shape), func(t *testing.T) {
				eachPool(func(threads string, p *Pool) {
					r := rand.New(rand.NewPCG(3, 1)) // the same numbers for every pool
					f(t, r, shape[0], shape[1], shape[2], p, threads)
				})
			})
		}
	})
}

// near fails unless got is within tolerance of want.
func near(t *testing.T, name string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= tolerance) {
			t.Fatalf("%s[%d] = %g, want %g within %g", name, i, got[i], want[i], tolerance)
		}
	}
}

func TestChannelScaleShift(t *testing.T) {
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *Pool, threads string) {
		scale, shift := guarded(r, c), guarded(r, c)
		for mode := range 4 {
			x, dst := guarded(r, n*c*s), guarded(r, n*c*s)
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
			ChannelScaleShift(p, dst, x, a, b, n, c, s)
			near(t, "dst", dst, want, 32*eps)
			checkGuards(t, "dst", dst)
			ChannelScaleShift(p, x, x, a, b, n, c, s)
			sameBits(t, "in place", x, dst)
		}
	})
}

func TestChannelSumAndDot(t *testing.T) {
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *Pool, threads string) {
		x, y := guarded(r, n*c*s), guarded(r, n*c*s)
		sum, dot := guarded(r, c), guarded(r, c)
		wantSum, wantDot := make([]float64, c), make([]float64, c)
		for i := range x {
			wantSum[i/s%c] += float64(x[i])
			wantDot[i/s%c] += float64(x[i]) * float64(y[i])
		}
		ChannelSum(p, sum, x, n, c, s)
		ChannelDot(p, dot, x, y, n, c, s)
		checkGuards(t, "sum", sum)
		checkGuards(t, "dot", dot)
		for ch := range c {
			if sum[ch] != float32(wantSum[ch]) && math.Abs(float64(sum[ch])-wantSum[ch]) > 2*eps*math.Abs(wantSum[ch]) {
				t.Errorf("sum[%d] = %g, want %g", ch, sum[ch], wantSum[ch])
			}
			if math.Abs(float64(dot[ch])-wantDot[ch]) > 2*eps*math.Abs(wantDot[ch]) {
				t.Errorf("dot[%d] = %g, want %g", ch, dot[ch], wantDot[ch])
			}
		}
	})
}

// TestBatchNorm checks the statistics, the normalization and its gradient
// against float64 loops, and that they are the same for any pool. The mean is a
// thousand standard deviations, where E[x²]-E[x]² in float32 is all error.
func TestBatchNorm(t *testing.T) {
	type result struct{ mean, variance, y, dx []float32 }
	results := map[string]result{}
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *Pool, threads string) {
		if n == 0 {
			BatchNormStats(p, nil, make([]float32, c), make([]float32, c), n, c, s)
			BatchNormBackward(p, nil, nil, nil, make([]float32, c), n, c, s)
			return
		}
		x, dy := guarded(r, n*c*s), guarded(r, n*c*s)
		for i := range x {
			x[i] += float32(1000 * (i / s % c % 3))
		}
		mean, variance := guarded(r, c), guarded(r, c)
		m := float64(n * s)
		wantMean, wantVariance := make([]float64, c), make([]float64, c)
		for i, v := range x {
			wantMean[i/s%c] += float64(v) / m
		}
		for i, v := range x {
			d := float64(v) - wantMean[i/s%c]
			wantVariance[i/s%c] += d * d / m
		}
		BatchNormStats(p, x, mean, variance, n, c, s)
		checkGuards(t, "mean", mean)
		checkGuards(t, "variance", variance)
		near(t, "mean", mean, wantMean, 2000*eps)
		near(t, "variance", variance, wantVariance, 1e-6)

		invstd := make([]float32, c)
		for ch := range invstd {
			invstd[ch] = float32(1 / math.Sqrt(float64(variance[ch])+1e-5))
		}
		y, dx := guarded(r, len(x)), guarded(r, len(x))
		BatchNormForward(p, y, x, mean, invstd, n, c, s)
		checkGuards(t, "y", y)
		want := make([]float64, len(x))
		for i, v := range x {
			want[i] = (float64(v) - float64(mean[i/s%c])) * float64(invstd[i/s%c])
		}
		near(t, "y", y, want, 32*eps)

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
		BatchNormBackward(p, dx, dy, y, invstd, n, c, s)
		checkGuards(t, "dx", dx)
		near(t, "dx", dx, want, 4*eps*scale)

		z := slices.Clone(x)
		BatchNormForward(p, z, z, mean, invstd, n, c, s)
		sameBits(t, "forward in place", z, y)
		copy(z, dy)
		BatchNormBackward(p, z, z, y, invstd, n, c, s)
		sameBits(t, "backward in place", z, dx)

		name := t.Name()
		first, ok := results[name]
		if !ok {
			results[name] = result{mean, variance, y, dx}
			return
		}
		sameBits(t, "mean, threads "+threads, mean, first.mean)
		sameBits(t, "variance, threads "+threads, variance, first.variance)
		sameBits(t, "y, threads "+threads, y, first.y)
		sameBits(t, "dx, threads "+threads, dx, first.dx)
	})
}

func TestSoftmax(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, shape := range [][3]int{{1, 1, 1}, {5, 10, 1}, {300, 100, 1}, {2, 4, 3}, {3, 5, 2*softmaxColumns + 3}, {0, 2, 3}} {
			outer, channels, inner := shape[0], shape[1], shape[2]
			r := rand.New(rand.NewPCG(3, 2))
			n := outer * channels * inner
			x, dy := guarded(r, n), guarded(r, n)
			for i := range x {
				x[i] = 30*x[i] + 1000 // overflows unless the maximum is subtracted
			}
			y, dx := make([]float64, n), make([]float64, n)
			for o := range outer {
				for k := range inner {
					at := func(ch int) int { return (o*channels+ch)*inner + k }
					var sum, dot float64
					for ch := range channels {
						y[at(ch)] = math.Exp(float64(x[at(ch)]) - 1000)
						sum += y[at(ch)]
					}
					for ch := range channels {
						y[at(ch)] /= sum
						dot += y[at(ch)] * float64(dy[at(ch)])
					}
					for ch := range channels {
						dx[at(ch)] = (float64(dy[at(ch)]) - dot) * y[at(ch)]
					}
				}
			}
			var first, firstDx []float32
			eachPool(func(threads string, p *Pool) {
				gotY, gotDx := guarded(r, n), guarded(r, n)
				Softmax(p, x, gotY, outer, channels, inner)
				near(t, "y", gotY, y, 8*eps)
				checkGuards(t, "y", gotY)
				SoftmaxBackward(p, gotY, dy, gotDx, outer, channels, inner)
				near(t, "dx", gotDx, dx, 64*eps)
				checkGuards(t, "dx", gotDx)
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				sameBits(t, "y, threads "+threads, gotY, first)
				sameBits(t, "dx, threads "+threads, gotDx, firstDx)

				copy(gotDx, x)
				Softmax(p, gotDx, gotDx, outer, channels, inner)
				sameBits(t, "in place", gotDx, first)
				copy(gotDx, dy)
				SoftmaxBackward(p, first, gotDx, gotDx, outer, channels, inner)
				sameBits(t, "backward in place", gotDx, firstDx)
			})
		}
	})
}

func TestLRN(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, test := range []struct {
			n, c, s, size  int
			alpha, beta, k float32
		}{
			{2, 7, 5, 5, 1, 0.75, 1},
			{1, 32, lrnColumns + 9, 3, 5e-5, 0.75, 1},
			{2, 3, 40, 9, 2, 0.75, 2}, // a window wider than the channels
			{2, 6, 33, 4, 0.5, 0.6, 1.5},
			{1, 4, 1, 1, 1, 1, 1},
			{0, 4, 3, 5, 1, 0.75, 1},
		} {
			r := rand.New(rand.NewPCG(3, 3))
			n := test.n * test.c * test.s
			x, dy := guarded(r, n), guarded(r, n)
			scale, y, dx := make([]float64, n), make([]float64, n), make([]float64, n)
			before := (test.size - 1) / 2
			alpha, beta := float64(test.alpha)/float64(test.size), float64(test.beta)
			eachWindow := func(i int, f func(j int)) {
				ch := i / test.s % test.c
				for w := max(0, ch-before); w < min(test.c, ch-before+test.size); w++ {
					f(i + (w-ch)*test.s)
				}
			}
			for i := range x {
				scale[i] = float64(test.k)
				eachWindow(i, func(j int) { scale[i] += alpha * float64(x[j]) * float64(x[j]) })
				y[i] = float64(x[i]) * math.Pow(scale[i], -beta)
			}
			for i := range x {
				dx[i] += float64(dy[i]) * math.Pow(scale[i], -beta)
				eachWindow(i, func(j int) {
					dx[j] -= 2 * alpha * beta * float64(x[j]) * float64(dy[i]) * y[i] / scale[i]
				})
			}
			var first, firstDx []float32
			eachPool(func(threads string, p *Pool) {
				gotY, gotDx := guarded(r, n), guarded(r, n)
				LRNForward(p, x, gotY, test.n, test.c, test.s, test.size, test.alpha, test.beta, test.k)
				LRNBackward(p, x, dy, gotDx, test.n, test.c, test.s, test.size, test.alpha, test.beta, test.k)
				near(t, "y", gotY, y, 2e-6)
				near(t, "dx", gotDx, dx, 1e-5)
				for _, s := range [][]float32{gotY, gotDx} {
					checkGuards(t, "LRN", s)
				}
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				sameBits(t, "y, threads "+threads, gotY, first)
				sameBits(t, "dx, threads "+threads, gotDx, firstDx)
			})
		}
	})
}

func TestLRNWithin(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, test := range []struct {
			planes, h, w, size int
			alpha, beta        float32
		}{
			{70, 16, 16, 3, 5e-5, 0.75},
			{3, 9, 37, 3, 2, 0.75},
			{3, 5, 32, 3, 2, 0.75},
			{2, 2, 17, 3, 2, 0.75},
			{2, 1, 20, 3, 2, 0.75},
			{2, 7, 1, 3, 2, 0.75},
			{2, 4, 5, 7, 2, 0.75}, // a window wider than the plane
			{3, 6, 35, 5, 0.5, 0.6},
			{1, 1, 1, 1, 1, 0.75},
			{0, 3, 3, 3, 1, 0.75},
		} {
			r := rand.New(rand.NewPCG(3, 4))
			s := test.h * test.w
			n := test.planes * s
			x, dy := guarded(r, n), guarded(r, n)
			scale, y, dx := make([]float64, n), make([]float64, n), make([]float64, n)
			pad := (test.size - 1) / 2
			alpha, beta := float64(test.alpha)/float64(test.size*test.size), float64(test.beta)
			eachWindow := func(i int, f func(j int)) {
				h, w := i%s/test.w, i%test.w
				for a := max(0, h-pad); a <= min(test.h-1, h+pad); a++ {
					for b := max(0, w-pad); b <= min(test.w-1, w+pad); b++ {
						f(i/s*s + a*test.w + b)
					}
				}
			}
			for i := range x {
				scale[i] = 1
				eachWindow(i, func(j int) { scale[i] += alpha * float64(x[j]) * float64(x[j]) })
				y[i] = float64(x[i]) * math.Pow(scale[i], -beta)
			}
			for i := range x {
				dx[i] += float64(dy[i]) * math.Pow(scale[i], -beta)
				eachWindow(i, func(j int) {
					dx[j] -= 2 * alpha * beta * float64(x[j]) * float64(dy[i]) * y[i] / scale[i]
				})
			}
			var first, firstDx []float32
			eachPool(func(threads string, p *Pool) {
				gotY, gotDx := guarded(r, n), guarded(r, n)
				LRNWithinForward(p, x, gotY, test.planes, test.h, test.w, test.size, test.alpha, test.beta)
				LRNWithinBackward(p, x, dy, gotDx, test.planes, test.h, test.w, test.size, test.alpha, test.beta)
				near(t, "y", gotY, y, 2e-6)
				near(t, "dx", gotDx, dx, 1e-5)
				checkGuards(t, "y", gotY)
				checkGuards(t, "dx", gotDx)
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				sameBits(t, "y, threads "+threads, gotY, first)
				sameBits(t, "dx, threads "+threads, gotDx, firstDx)
			})
		}
	})
}

// TestLRNPowers checks the fourth roots under LRN, over all scales that it
// may meet and beyond them.
func TestLRNPowers(t *testing.T) {
	var m []float32
	for i := range 4000 {
		m = append(m, float32(math.Exp2(float64(i)/30-66)))
	}
	m = append(m, math.MaxFloat32, float32(math.Inf(1)), 0)
	n := len(m)
	ones, y, dx, ratio := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	Fill(ones, 1)
	eachLevel(t, func(t *testing.T) {
		vec().lrnForward(y, ones, m, 1, 0)
		vec().lrnGradient(dx, ratio, ones, ones, m, 1, 0)
		worst := 0.0
		for i, v := range m {
			s := max(0x1p-72, min(0x1p72, float64(v)))
			want := math.Pow(s, -0.75)
			worst = max(worst, math.Abs(float64(y[i])/want-1), math.Abs(float64(dx[i])/want-1), math.Abs(float64(ratio[i])*s/want-1))
		}
		t.Logf("largest relative error %.1f eps", worst/eps)
		if !(worst <= 16*eps) {
			t.Errorf("relative error %g", worst)
		}
		vec().lrnForward(y[:1], ones, []float32{float32(math.NaN())}, 1, 1)
		if y[0] == y[0] {
			t.Errorf("of NaN: %g", y[0])
		}
	})
}
