package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestPixels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 1))
		for _, n := range vecLengths {
			x, means := make([]byte, n), guarded(r, n)
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
				dst := guarded(r, n)
				Pixels(dst, x, list, 33.5, 0.3, mirrored)
				checkGuards(t, "Pixels", dst)
				sameBits(t, fmt.Sprintf("Pixels of %d, mirrored %v", n, mirrored), dst, want)
			}
		}
	})
}

func BenchmarkPixels(b *testing.B) {
	dst, x := make([]float32, 3*32*32), make([]byte, 3*32*32)
	b.SetBytes(5 * int64(len(x)))
	for b.Loop() {
		for i := 0; i < len(x); i += 32 {
			Pixels(dst[i:i+32], x[i:i+32], nil, 128, 0.01, true)
		}
	}
}
