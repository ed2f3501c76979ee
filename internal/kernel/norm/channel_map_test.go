package norm

import (
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// lanesOf is the number of lanes of a vector of each level.
var lanesOf = map[cpu.Level]int{cpu.Generic: 4, cpu.NEON: 4, cpu.AVX2: 8, cpu.AVX512: 16}

// TestVectorMap compares the map of vectors of channels with the pass of a Norm over planes,
// to the last bit, for groups that do not fill their vectors, and next to protected pages.
func TestVectorMap(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		lanes := lanesOf[cpu.Active()]
		for _, groups := range []int{1, 2} {
			for _, channels := range []int{1, 5, 16, 37} {
				for pixels := range 11 {
					r := rand.New(rand.NewPCG(uint64(channels), uint64(pixels)))
					c := groups * channels
					m := Norm{Eps: 1e-3, Slope: []float32{0, 0.25, 1}[pixels%3]}
					if pixels%4 > 0 {
						m.Factor, m.Shift = kerneltest.Guarded(r, c), kerneltest.Guarded(r, c)
					}
					m.Resize(1, c, pixels)
					for ch := range c {
						m.Mean[ch], m.Variance[ch] = float32(r.NormFloat64()), r.Float32()
					}
					x, want := kerneltest.Guarded(r, c*pixels), make([]float32, c*pixels)
					m.Forward(nil, x, nil)
					given := m.Map()
					m.Forward(nil, x, want)
					var v VectorMap
					v.Set(&given, groups, channels, lanes)
					kerneltest.EachFence(t, "Apply", func(slice func(r *rand.Rand, n int) []float32) {
						vectors := slice(r, pixels*lanes)
						for group := range groups {
							for ch := 0; ch < channels; ch += lanes {
								at, n := group*channels+ch, min(lanes, channels-ch)
								clear(vectors)
								for i := range pixels {
									for lane := range n {
										vectors[i*lanes+lane] = x[(at+lane)*pixels+i]
									}
								}
								v.Apply(group, ch, vectors)
								for i, got := range vectors {
									expect := float32(0)
									if lane := i % lanes; lane < n {
										expect = want[(at+lane)*pixels+i/lanes]
									}
									if got != expect {
										t.Fatalf("%d groups of %d channels: element %d of the vectors from channel %d on is %g, want %g", groups, channels, i, at, got, expect)
									}
								}
							}
						}
					})
				}
			}
		}
	})
}

// TestVectorMapNone checks what changes nothing.
func TestVectorMapNone(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		lanes := lanesOf[cpu.Active()]
		x := kerneltest.Guarded(rand.New(rand.NewPCG(1, 1)), 3*lanes)
		want := append([]float32(nil), x...)
		var v VectorMap
		(*VectorMap)(nil).Apply(0, 0, x)
		v.Apply(0, 0, x)
		v.Set(&ChannelMap{Slope: 1}, 1, lanes, lanes)
		v.Apply(0, 0, x)
		v.Set(&ChannelMap{Slope: 0}, 1, lanes, lanes)
		v.Set(nil, 1, lanes, lanes)
		v.Apply(0, 0, x)
		kerneltest.SameBits(t, "x", x, want)
	})
}
