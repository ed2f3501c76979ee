package kernel

import (
	"math"
	"math/bits"

	"github.com/gocaffe/gocaffe/parallel"
)

// Philox4x32-10 is the counter-based generator of Salmon et al., "Parallel
// random numbers: as easy as 1, 2, 3" (SC 2011), section 4.3. A block of four
// random words is a function of a key and a counter and of nothing else, so
// that a number can be had without those before it, and in any order.
//
// The key is 64 bits and the counter 128: block number in the low half, stream
// in the high half. Word i of a stream is word i mod 4 of its block i/4.

const (
	philoxM0 = 0xD2511F53 // multipliers and key increments of the paper's table 2
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9 // golden ratio
	philoxW1 = 0xBB67AE85 // √3 - 1
)

// philoxBlock returns block number block of the stream under key.
func philoxBlock(key, stream, block uint64) (uint32, uint32, uint32, uint32) {
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

// Philox hands out the words of one stream in order. It is a
// math/rand/v2.Source, two words a value, and its fields are all of its state.
type Philox struct {
	Key    uint64
	Stream uint64
	Offset uint64 // number of words handed out
}

// Uint32 returns the next word.
func (r *Philox) Uint32() uint32 {
	var w [1]uint32
	PhiloxUint32s(w[:], r.Key, r.Stream, r.Offset)
	r.Offset++
	return w[0]
}

// Uint64 returns the next two words, the first in the low half.
func (r *Philox) Uint64() uint64 {
	lo := r.Uint32()
	return uint64(r.Uint32())<<32 | uint64(lo)
}

// Float32 returns the next word as a number in [0,1).
func (r *Philox) Float32() float32 { return UniformFloat32(r.Uint32()) }

// UniformFloat32 makes a number in [0,1) of the upper 24 bits of a random
// word: each of the 2²⁴ values has the same probability.
func UniformFloat32(word uint32) float32 { return float32(word>>8) * (1.0 / (1 << 24)) }

// PhiloxUint32s sets dst[i] to word offset+i of the stream under key.
func PhiloxUint32s(dst []uint32, key, stream, offset uint64) {
	var w [4]uint32
	for len(dst) > 0 {
		w[0], w[1], w[2], w[3] = philoxBlock(key, stream, offset/4)
		n := copy(dst, w[offset%4:])
		dst = dst[n:]
		offset += uint64(n)
	}
}

// PhiloxUniform sets dst[i] to a + (b-a)·u, where u in [0,1) is made of word
// offset+i of the stream under key.
func PhiloxUniform(dst []float32, a, b float32, key, stream, offset uint64) {
	var w [64]uint32
	for len(dst) > 0 {
		n := min(len(dst), len(w))
		PhiloxUint32s(w[:n], key, stream, offset)
		for i, word := range w[:n] {
			dst[i] = a + float32((b-a)*UniformFloat32(word))
		}
		dst = dst[n:]
		offset += uint64(n)
	}
}

// PhiloxGaussian sets dst[i] to number offset+i of a sequence with normal
// distribution. Numbers 2j and 2j+1 are made of words 2j and 2j+1 of the
// stream under key, by Box and Muller's method in float64.
func PhiloxGaussian(dst []float32, mean, std float32, key, stream, offset uint64) {
	m, s := float64(mean), float64(std)
	for i := 0; i < len(dst); {
		at := offset + uint64(i)
		w0, w1, w2, w3 := philoxBlock(key, stream, at/4)
		if at%4 >= 2 {
			w0, w1 = w2, w3
		}
		// (0,1], whose logarithm is finite: the largest number is 6.7 std away
		r := math.Sqrt(-2 * math.Log((float64(w0)+1)*0x1p-32))
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(w1))
		if at%2 == 0 {
			dst[i] = float32(m + s*r*cos)
			i++
		}
		if i < len(dst) {
			dst[i] = float32(m + s*r*sin)
			i++
		}
	}
}

type dropoutArgs struct {
	mask        []float32
	key, stream uint64
	limit       uint32
	scale       float32
}

var dropoutJob = parallel.Loop[dropoutArgs]{Body: func(d *dropoutArgs, _, lo, hi int) {
	mask := d.mask[lo:hi]
	whole := len(mask) &^ 3
	vec().dropoutBlocks(mask[:whole], d.key, d.stream, uint64(lo/4), d.limit, d.scale)
	if whole < len(mask) {
		var last [4]float32
		dropoutBlocksGeneric(last[:], d.key, d.stream, uint64((lo+whole)/4), d.limit, d.scale)
		copy(mask[whole:], last[:])
	}
}}

// DropoutMask sets mask[i] to 0 with probability ratio and to scale otherwise,
// by word i of the stream under key. Dropout multiplies by the mask, forward
// and backward; Caffe's scale is 1/(1-ratio).
func DropoutMask(p *Pool, mask []float32, key, stream uint64, ratio, scale float32) {
	limit := uint32(max(0, min(float64(ratio)*0x1p32, math.MaxUint32)))
	dropoutJob.Run(p, len(mask), vecBlock, dropoutArgs{mask, key, stream, limit, scale})
}

// dropoutBlocksGeneric sets four numbers for each block from the given one on:
// 0 where the word is below limit, scale elsewhere.
func dropoutBlocksGeneric(dst []float32, key, stream, block uint64, limit uint32, scale float32) {
	pick := func(word uint32) float32 {
		if word < limit {
			return 0
		}
		return scale
	}
	for ; len(dst) >= 4; dst = dst[4:] {
		w0, w1, w2, w3 := philoxBlock(key, stream, block)
		dst[0], dst[1], dst[2], dst[3] = pick(w0), pick(w1), pick(w2), pick(w3)
		block++
	}
}
