package norm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestEpilogue compares with the formula in float64, for every set of steps.
func TestEpilogue(t *testing.T) {
	const n, c, s = 2, 5, 37
	r := rand.New(rand.NewPCG(7, 7))
	kerneltest.EachLevel(t, func(t *testing.T) {
		for steps := range 1 << 5 {
			x := kerneltest.Guarded(r, n*c*s)
			e := new(Epilogue)
			for bit, field := range []*[]float32{&e.Mean, &e.Scale, &e.Shift, &e.Slope, &e.Add} {
				size := c
				if field == &e.Add {
					size = n * c * s
				}
				if steps>>bit&1 == 1 {
					*field = kerneltest.Guarded(r, size)
				}
			}
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				y := append([]float32(nil), x...)
				e.Run(p, n, c, s, y)
				for i, got := range y {
					ch := i / s % c
					z := float64(of(e.Scale, ch, 1))*(float64(x[i])-float64(of(e.Mean, ch, 0))) + float64(of(e.Shift, ch, 0)) + float64(of(e.Add, i, 0))
					if z <= 0 {
						z *= float64(of(e.Slope, ch, 1))
					}
					if !(math.Abs(float64(got)-z) <= kerneltest.Tolerance(4)) {
						t.Fatalf("steps %05b, threads %s: y[%d] = %g, want %g", steps, threads, i, got, z)
					}
				}
			})
		}
	})
}

// TestEpilogueRoundsAsNorm compares the affine map and the rectifier with those of Norm, to
// the last bit.
func TestEpilogueRoundsAsNorm(t *testing.T) {
	const n, c, s = 2, 5, 37
	r := rand.New(rand.NewPCG(8, 8))
	kerneltest.EachLevel(t, func(t *testing.T) {
		m := &Norm{Factor: kerneltest.Guarded(r, c), Shift: kerneltest.Guarded(r, c), Slope: 0.25, Eps: 1e-5}
		m.Resize(n, c, s)
		e := &Epilogue{Mean: m.Mean, Scale: make([]float32, c), Shift: m.Shift, Slope: make([]float32, c)}
		for ch := range c {
			m.Mean[ch], m.Variance[ch], e.Slope[ch] = r.Float32(), r.Float32(), m.Slope
		}
		x := kerneltest.Guarded(r, n*c*s)
		want := make([]float32, len(x))
		m.Forward(nil, x, want)
		for ch := range c {
			e.Scale[ch] = m.InvStd[ch] * m.Factor[ch]
		}
		e.Run(nil, n, c, s, x)
		kerneltest.SameBits(t, "y", x, want)
	})
}
