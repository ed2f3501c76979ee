package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestNorm compares a normalization with rectifier, with the statistics of the batch and
// with given ones, with float64 loops, and checks that it is the same in place and for
// any pool. The sign of y determines which gradients pass: all passes must agree on it.
func TestNorm(t *testing.T) {
	type result struct {
		y, dx    []float32
		sum, dot []float64
	}
	results := map[string]result{}
	var left ItemGrad
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string) {
		for mode := range 12 {
			batch, plain, slope := mode&1 == 0, mode&2 == 0, []float32{0, 0.25, 1}[mode/4]
			m := Norm{Slope: slope, Eps: 1e-3, Factor: kerneltest.Guarded(r, c), Shift: kerneltest.Guarded(r, c)}
			m.Resize(n, c, s)
			if plain {
				m.Factor, m.Shift = nil, nil
			}
			x, dy, y, dx := kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s), kerneltest.Guarded(r, n*c*s)
			count := float64(n * s)
			if batch {
				m.ForwardBatch(p, x, y)
				mean, variance := make([]float32, c), make([]float32, c)
				ChannelStats(p, n, c, s, x, mean, variance)
				if n > 0 {
					kerneltest.SameBits(t, "mean", m.Mean, mean)
					kerneltest.SameBits(t, "variance", m.Variance, variance)
				}
			} else {
				for ch := range c {
					m.Mean[ch], m.Variance[ch] = float32(r.NormFloat64()), r.Float32()
				}
				m.Forward(p, x, y)
			}
			kerneltest.CheckGuards(t, "y", y)
			scale, shift := make([]float64, c), make([]float64, c)
			for ch := range c {
				scale[ch] = 1 / math.Sqrt(float64(m.Variance[ch]+m.Eps))
				if !plain {
					scale[ch] *= float64(m.Factor[ch])
					shift[ch] = float64(m.Shift[ch])
				}
			}
			wantY, dz := make([]float64, len(x)), make([]float64, len(x))
			wantSum, wantDot, size, most := make([]float64, c), make([]float64, c), 1.0, 1.0
			for i := range x {
				ch := i / s % c
				d := float64(x[i] - m.Mean[ch])
				wantY[i] = scale[ch]*d + shift[ch]
				if wantY[i] <= 0 {
					wantY[i] *= float64(slope)
				}
				dz[i] = float64(dy[i])
				if !(y[i] > 0) {
					dz[i] = float64(dy[i] * slope)
				}
				wantSum[ch] += dz[i]
				wantDot[ch] += dz[i] * d
				size += math.Abs(dz[i] * d)
				most = max(most, math.Abs(scale[ch]))
			}
			kerneltest.Near(t, "y", y, wantY, 32*kerneltest.Eps*most)
			if slope == 0 && slices.ContainsFunc(y, func(v float32) bool { return math.Signbit(float64(v)) }) {
				t.Error("slope 0 gives a negative number or -0")
			}

			sum, dot := make([]float64, c), make([]float64, c)
			m.Backward(p, batch, x, dy, nil, sum, dot)
			for ch := range c {
				if math.Abs(sum[ch]-wantSum[ch]) > 1e-12*size || math.Abs(dot[ch]-wantDot[ch]) > 1e-12*size {
					t.Fatalf("sums of channel %d are %g and %g, want %g and %g", ch, sum[ch], dot[ch], wantSum[ch], wantDot[ch])
				}
			}
			wantDx := make([]float64, len(x))
			for i := range x {
				ch := i / s % c
				wantDx[i] = scale[ch] * dz[i]
				if batch {
					d, invstd := float64(x[i]-m.Mean[ch]), float64(m.InvStd[ch])
					wantDx[i] -= scale[ch] * (wantSum[ch]/count + d*invstd*invstd*wantDot[ch]/count)
				}
			}
			m.Backward(p, batch, x, dy, dx, sum, dot)
			kerneltest.CheckGuards(t, "dx", dx)
			kerneltest.Near(t, "dx", dx, wantDx, 64*kerneltest.Eps*most)

			later, sums := kerneltest.Guarded(r, len(x)), make([]float64, 2*c)
			m.BackwardLater(p, batch, x, dy, later, sums[:c], sums[c:], &left)
			if !slices.Equal(sums, slices.Concat(sum, dot)) || !left.Left() {
				t.Error("BackwardLater gives other sums, or leaves nothing")
			}
			for i := range n {
				left.Items(i, i+1)
			}
			kerneltest.SameBits(t, "dx item by item", later, dx)
			clear(later)
			if left.Finish(p); left.Left() {
				t.Error("something is left after Finish")
			}
			kerneltest.SameBits(t, "dx of Finish", later, dx)
			clear(later)
			left.Finish(p)
			kerneltest.SameBits(t, "dx of a second Finish", later, make([]float32, len(later)))

			m.Backward(p, batch, x, dy, dy, sum, dot)
			kerneltest.SameBits(t, "backward in place", dy, dx)
			if batch {
				m.ForwardBatch(p, x, x)
			} else {
				m.Forward(p, x, x)
			}
			kerneltest.SameBits(t, "forward in place", x, y)

			name := fmt.Sprint(t.Name(), mode)
			first, ok := results[name]
			if !ok {
				results[name] = result{y, dx, sum, dot}
				continue
			}
			kerneltest.SameBits(t, "y, threads "+threads, y, first.y)
			kerneltest.SameBits(t, "dx, threads "+threads, dx, first.dx)
			if !slices.Equal(sum, first.sum) || !slices.Equal(dot, first.dot) {
				t.Errorf("threads %s give different sums", threads)
			}
		}
	})
}
