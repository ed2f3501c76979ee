package pixels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

func TestScale(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 1))
		for _, n := range kerneltest.Lengths {
			x, means := make([]byte, n), kerneltest.Guarded(r, n)
			for i := range x {
				x[i] = byte(r.Uint32())
			}
			for mode := range 4 {
				mirrored := mode&1 != 0
				list := means
				if mode&2 != 0 {
					list = nil
				}
				want := make([]float32, n)
				for i, v := range x {
					mean, to := float32(33.5), i
					if list != nil {
						mean = list[i]
					}
					if mirrored {
						to = n - 1 - i
					}
					want[to] = (float32(v) - mean) * 0.3
				}
				dst := kerneltest.Guarded(r, n)
				Scale(mirrored, 33.5, 0.3, x, list, dst)
				kerneltest.CheckGuards(t, "Scale", dst)
				kerneltest.SameBits(t, fmt.Sprintf("Scale of %d, mirrored %v", n, mirrored), dst, want)
			}
		}
	})
}

func BenchmarkScale(b *testing.B) {
	dst, x := make([]float32, 3*32*32), make([]byte, 3*32*32)
	b.SetBytes(5 * int64(len(x)))
	for b.Loop() {
		for i := 0; i < len(x); i += 32 {
			Scale(true, 128, 0.01, x[i:i+32], nil, dst[i:i+32])
		}
	}
}
