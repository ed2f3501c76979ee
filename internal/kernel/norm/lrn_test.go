package norm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

func TestLRN(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, test := range []struct {
			n, c, s, size  int
			alpha, beta, k float32
		}{
			{2, 7, 5, 5, 1, 0.75, 1},
			{1, 32, lrnColumns + 9, 3, 5e-5, 0.75, 1},
			{1, 131, lrnColumns + 9, 5, 1, 0.75, 1}, // parts of the channels
			{2, 3, 40, 9, 2, 0.75, 2},               // a window wider than the channels
			{2, 6, 33, 4, 0.5, 0.6, 1.5},
			{1, 4, 1, 1, 1, 1, 1},
			{0, 4, 3, 5, 1, 0.75, 1},
		} {
			r := rand.New(rand.NewPCG(3, 3))
			n := test.n * test.c * test.s
			x, dy := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
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
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				gotY, gotDx := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
				LRNForward(p, test.n, test.c, test.s, test.size, test.alpha, test.beta, test.k, x, gotY)
				LRNBackward(p, test.n, test.c, test.s, test.size, test.alpha, test.beta, test.k, x, dy, gotDx)
				kerneltest.Near(t, "y", gotY, y, 2e-6)
				kerneltest.Near(t, "dx", gotDx, dx, 1e-5)
				for _, s := range [][]float32{gotY, gotDx} {
					kerneltest.CheckGuards(t, "LRN", s)
				}
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				kerneltest.SameBits(t, "y, threads "+threads, gotY, first)
				kerneltest.SameBits(t, "dx, threads "+threads, gotDx, firstDx)
			})
		}
	})
}

func TestLRNWithin(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
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
			x, dy := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
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
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				gotY, gotDx := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
				LRNWithinForward(p, test.planes, test.h, test.w, test.size, test.alpha, test.beta, x, gotY)
				LRNWithinBackward(p, test.planes, test.h, test.w, test.size, test.alpha, test.beta, x, dy, gotDx)
				kerneltest.Near(t, "y", gotY, y, 2e-6)
				kerneltest.Near(t, "dx", gotDx, dx, 1e-5)
				kerneltest.CheckGuards(t, "y", gotY)
				kerneltest.CheckGuards(t, "dx", gotDx)
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				kerneltest.SameBits(t, "y, threads "+threads, gotY, first)
				kerneltest.SameBits(t, "dx, threads "+threads, gotDx, firstDx)
			})
		}
	})
}

// TestLRNPowers checks the fourth roots that LRN uses, for all possible scales and
// beyond.
func TestLRNPowers(t *testing.T) {
	var m []float32
	for i := range 4000 {
		m = append(m, float32(math.Exp2(float64(i)/30-66)))
	}
	m = append(m, math.MaxFloat32, float32(math.Inf(1)), 0)
	n := len(m)
	ones, y, dx, ratio := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	kerneltest.Fill(ones, 1)
	kerneltest.EachLevel(t, func(t *testing.T) {
		active().lrnForward(y, ones, m, 1, 0)
		active().lrnGrad(dx, ratio, ones, ones, m, 1, 0)
		worst := 0.0
		for i, v := range m {
			s := max(0x1p-72, min(0x1p72, float64(v)))
			want := math.Pow(s, -0.75)
			worst = max(worst, math.Abs(float64(y[i])/want-1), math.Abs(float64(dx[i])/want-1), math.Abs(float64(ratio[i])*s/want-1))
		}
		t.Logf("largest relative error %.1f kerneltest.Eps", worst/kerneltest.Eps)
		if !(worst <= 16*kerneltest.Eps) {
			t.Errorf("relative error %g", worst)
		}
		active().lrnForward(y[:1], ones, []float32{float32(math.NaN())}, 1, 1)
		if y[0] == y[0] {
			t.Errorf("of NaN: %g", y[0])
		}
	})
}
