package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestNorm checks a normalization with rectifier against float64 loops, and
// that it is the same in place and for any pool. Which gradients pass is taken
// from the sign of y: all passes must find it in the same way.
func TestNorm(t *testing.T) {
	type result struct {
		y, dx    []float32
		sum, dot []float64
	}
	results := map[string]result{}
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *Pool, threads string) {
		for _, slope := range []float32{0, 0.25, 1} {
			m := Norm{N: n, C: c, S: s, Mean: guarded(r, c), Scale: guarded(r, c), Shift: guarded(r, c), Slope: slope}
			x, dy, y, dx := guarded(r, n*c*s), guarded(r, n*c*s), guarded(r, n*c*s), guarded(r, n*c*s)
			m.Forward(p, y, x)
			checkGuards(t, "y", y)
			ofD, constant := guarded(r, c), guarded(r, c)
			wantY, wantDx := make([]float64, len(x)), make([]float64, len(x))
			wantSum, wantDot, size := make([]float64, c), make([]float64, c), 0.0
			for i := range x {
				ch := i / s % c
				d, dz := float64(x[i]-m.Mean[ch]), float64(dy[i])
				wantY[i] = float64(m.Scale[ch])*d + float64(m.Shift[ch])
				if wantY[i] <= 0 {
					wantY[i] *= float64(slope)
				}
				if !(y[i] > 0) {
					dz = float64(dy[i] * slope)
				}
				wantSum[ch] += dz
				wantDot[ch] += dz * d
				size += math.Abs(dz * d)
				wantDx[i] = float64(m.Scale[ch]) * (dz + float64(constant[ch]) + float64(ofD[ch])*d)
			}
			near(t, "y", y, wantY, 64*eps)
			if math.Signbit(float64(slices.Min(append(slices.Clone(y), 1)))) && slope == 0 {
				t.Error("slope 0 gives a negative number or -0")
			}

			sum, dot := make([]float64, c), make([]float64, c)
			m.Sums(p, sum, dot, x, dy)
			for ch := range c {
				if math.Abs(sum[ch]-wantSum[ch]) > 1e-12*(1+size) || math.Abs(dot[ch]-wantDot[ch]) > 1e-12*(1+size) {
					t.Fatalf("sums of channel %d are %g and %g, want %g and %g", ch, sum[ch], dot[ch], wantSum[ch], wantDot[ch])
				}
			}
			m.Backward(p, dx, x, dy, ofD, constant)
			checkGuards(t, "dx", dx)
			near(t, "dx", dx, wantDx, 64*eps)

			m.Backward(p, dy, x, dy, ofD, constant)
			sameBits(t, "backward in place", dy, dx)
			m.Forward(p, x, x)
			sameBits(t, "forward in place", x, y)

			name := fmt.Sprint(t.Name(), slope)
			first, ok := results[name]
			if !ok {
				results[name] = result{y, dx, sum, dot}
				continue
			}
			sameBits(t, "y, threads "+threads, y, first.y)
			sameBits(t, "dx, threads "+threads, dx, first.dx)
			if !slices.Equal(sum, first.sum) || !slices.Equal(dot, first.dot) {
				t.Errorf("threads %s give other sums", threads)
			}
		}
	})
}
