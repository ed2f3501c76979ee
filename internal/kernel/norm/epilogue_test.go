package norm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
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

// TestEpilogueVectors compares the epilogue of vectors of channels with that of planes, to the
// last bit, and checks which ones it leaves to the planes.
func TestEpilogueVectors(t *testing.T) {
	const pixels, channels = 21, 48
	r := rand.New(rand.NewPCG(9, 9))
	channel := func() []float32 { return kerneltest.Guarded(r, channels) }
	mean, scale, shift, equal := channel(), channel(), channel(), channel()
	kerneltest.Fill(equal, 0.25)
	kerneltest.EachLevel(t, func(t *testing.T) {
		lanes := lanesOf[cpu.Active()]
		ch := lanes // the first channel
		for _, tt := range []struct {
			name             string
			e                *Epilogue
			n                int // channels
			uniform, vectors bool
		}{
			{"nil", nil, lanes, true, true},
			{"one slope", &Epilogue{Slope: equal}, lanes - 1, true, true},
			{"slopes", &Epilogue{Slope: mean}, lanes, false, false},
			{"affine", &Epilogue{Mean: mean, Scale: scale, Shift: shift}, lanes, false, true},
			{"affine, one slope", &Epilogue{Mean: mean, Scale: scale, Shift: shift, Slope: equal}, lanes, false, true},
			{"affine, slopes", &Epilogue{Mean: mean, Scale: scale, Shift: shift, Slope: mean}, lanes, false, false},
			{"affine of some lanes", &Epilogue{Mean: mean, Scale: scale, Shift: shift}, lanes - 1, false, false},
			{"scale", &Epilogue{Scale: scale}, lanes, false, false},
			{"sum", &Epilogue{Add: channel(), Slope: equal}, lanes, false, false},
		} {
			y, x := kerneltest.Guarded(r, channels*pixels), make([]float32, pixels*lanes)
			vectors := func(x []float32) { // the planes of y, as vectors
				for i := range x {
					x[i] = y[(ch+i%lanes)*pixels+i/lanes]
				}
			}
			vectors(x)
			uniform := slices.Clone(x)
			gotVectors, gotUniform := tt.e.ApplyVectors(ch, tt.n, lanes, x), tt.e.ApplyUniform(ch, tt.n, uniform)
			if gotVectors != tt.vectors || gotUniform != tt.uniform {
				t.Errorf("%s: ApplyVectors %v, ApplyUniform %v; want %v, %v", tt.name, gotVectors, gotUniform, tt.vectors, tt.uniform)
			}
			if tt.vectors {
				tt.e.ApplyRows(ch, lanes, y, ch*pixels, pixels, pixels)
			}
			want := make([]float32, len(x))
			vectors(want)
			kerneltest.SameBits(t, tt.name, x, want)
			if tt.uniform {
				kerneltest.SameBits(t, tt.name+", uniform", uniform, want)
			}
		}
	})
}
