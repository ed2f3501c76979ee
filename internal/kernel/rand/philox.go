// Package rand generates random numbers with Philox4x32-10, the counter-based
// generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC
// 2011), section 4.3. A block of four random words depends only on a key and a
// counter, so every number can be computed independently and in any order.
//
// The key has 64 bits and the counter has 128: the number of the block in the low
// half and the stream in the high half. Word i of a stream is word i mod 4 of its
// block i/4.
package rand

import (
	"math"
	"math/bits"
)

const (
	philoxM0 = 0xD2511F53 // multipliers and key increments of the paper's table 2
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9 // golden ratio
	philoxW1 = 0xBB67AE85 // √3 - 1
)

// philox returns a block of the stream under key.
func philox(key, stream, block uint64) (uint32, uint32, uint32, uint32) {
	k0, k1 := uint32(key), uint32(key>>32)
	c0, c1, c2, c3 := uint32(block), uint32(block>>32), uint32(stream), uint32(stream>>32)
	for range 10 {
		hi0, lo0 := bits.Mul32(philoxM0, c0)
		hi1, lo1 := bits.Mul32(philoxM1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0 += philoxW0
		k1 += philoxW1
	}
	return c0, c1, c2, c3
}

// Words sets y[i] to word offset+i of the stream under key.
func Words(key, stream, offset uint64, y []uint32) {
	var w [4]uint32
	for len(y) > 0 {
		w[0], w[1], w[2], w[3] = philox(key, stream, offset/4)
		n := copy(y, w[offset%4:])
		y = y[n:]
		offset += uint64(n)
	}
}

// Float32 converts the upper 24 bits of a random word to a number in [0,1). Each of the
// 2²⁴ values has the same probability.
func Float32(word uint32) float32 { return float32(word>>8) * (1.0 / (1 << 24)) }

// Uniform sets y[i] to a + (b-a)·u, where u in [0,1) comes from word offset+i of the
// stream under key.
func Uniform(key, stream, offset uint64, a, b float32, y []float32) {
	var w [64]uint32
	for len(y) > 0 {
		n := min(len(y), len(w))
		Words(key, stream, offset, w[:n])
		for i, word := range w[:n] {
			y[i] = a + float32((b-a)*Float32(word))
		}
		y = y[n:]
		offset += uint64(n)
	}
}

// Gaussian sets y[i] to element offset+i of a normally distributed sequence.
// Elements 2j and 2j+1 are computed from words 2j and 2j+1 of the stream under key by the
// Box-Muller method in float64.
func Gaussian(key, stream, offset uint64, mean, std float32, y []float32) {
	m, s := float64(mean), float64(std)
	for i := 0; i < len(y); {
		at := offset + uint64(i)
		w0, w1, w2, w3 := philox(key, stream, at/4)
		if at%4 >= 2 {
			w0, w1 = w2, w3
		}
		// (0,1], whose logarithm is finite: the largest element is 6.7 std away
		r := math.Sqrt(-2 * math.Log((float64(w0)+1)*0x1p-32))
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(w1))
		if at%2 == 0 {
			y[i] = float32(m + s*r*cos)
			i++
		}
		if i < len(y) {
			y[i] = float32(m + s*r*sin)
			i++
		}
	}
}
