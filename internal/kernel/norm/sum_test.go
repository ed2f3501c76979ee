package norm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestNormAdd compares a normalization with sum and rectifier with its steps, one after the
// other, to the last bit: for one to three readers of y, and with dz where it may be.
func TestNormAdd(t *testing.T) {
	eachShape(t, func(t *testing.T, r *rand.Rand, n, c, s int, p *parallel.Pool, threads string) {
		for mode := range 9 {
			batch, slope, readers := mode%2 == 0, []float32{0, 0.25, 1}[mode%3], 1+mode/3
			name := fmt.Sprintf("threads %s, slope %g, %d readers: ", threads, slope, readers)
			size := n * c * s
			x, add := kerneltest.Guarded(r, size), kerneltest.Guarded(r, size)
			m := Norm{Eps: 1e-3, Factor: kerneltest.Guarded(r, c), Shift: kerneltest.Guarded(r, c), Slope: 1}
			m.Resize(n, c, s)
			forward := m.Forward
			if batch {
				forward = m.ForwardBatch
			}
			wantY, wantDz, wantDx := make([]float32, size), make([]float32, size), make([]float32, size)
			wantSum, wantDot := make([]float64, c), make([]float64, c)
			forward(p, x, wantY)
			vec.Add(wantY, add, wantY)
			vec.ReLU(slope, wantY, wantY)
			dys := make([][]float32, readers)
			for i := range dys {
				dys[i] = kerneltest.Guarded(r, size)
				vec.Add(wantDz, dys[i], wantDz)
			}
			vec.ReLUBackward(slope, wantY, wantDz, wantDz)
			m.Backward(p, batch, x, wantDz, wantDx, wantSum, wantDot)

			y := kerneltest.Guarded(r, size)
			m.Add, m.Slope = add, slope
			forward(p, x, y)
			kerneltest.CheckGuards(t, "y", y)
			kerneltest.SameBits(t, name+"y", y, wantY)
			if slope == 1 {
				y = nil
			}
			for _, place := range []string{"dz apart", "dz in dx", "no dx", "dz in dys[0]"} {
				dz, dx, wanted := kerneltest.Guarded(r, size), kerneltest.Guarded(r, size), wantDz
				switch place {
				case "dz in dx":
					dz, wanted = dx, wantDx
				case "no dx":
					dx = nil
				case "dz in dys[0]":
					dz = dys[0]
				}
				sum, dot := make([]float64, c), make([]float64, c)
				m.BackwardAdd(p, batch, x, y, dys, dz, dx, sum, dot)
				kerneltest.CheckGuards(t, "dz", dz)
				kerneltest.SameBits(t, name+place+": dz", dz, wanted)
				if dx != nil {
					kerneltest.CheckGuards(t, "dx", dx)
					kerneltest.SameBits(t, name+place+": dx", dx, wantDx)
				}
				if !slices.Equal(sum, wantSum) || !slices.Equal(dot, wantDot) {
					t.Errorf("%s%s: other sums", name, place)
				}
			}
		}
	})
}
