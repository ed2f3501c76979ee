package layers

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// Rand computes random numbers from a key and a counter, by Philox4x32-10: every
// number is a function of these alone. A layer that draws in each pass uses the
// stream of that pass (Env.Stream). Then the numbers of pass 1000 do not depend on
// the passes before it or on the number of threads.
//
// A stream has 2⁶⁶ words; different streams do not overlap.
type Rand struct{ key uint64 }

// Rand returns the random numbers of a layer for one purpose, such as
// "dropout". They depend on the seed of the net, on the name of the layer and
// on the purpose.
func (s *Spec) Rand(purpose string) Rand { return NewRand(s.Env.Seed, s.Param.GetName(), purpose) }

// NewRand returns random numbers that depend on the seed and on the labels.
func NewRand(seed uint64, labels ...string) Rand {
	h := sha256.New()
	var word [8]byte
	put := func(n uint64) {
		binary.LittleEndian.PutUint64(word[:], n)
		h.Write(word[:])
	}
	put(seed)
	for _, label := range labels {
		put(uint64(len(label)))
		h.Write([]byte(label))
	}
	return Rand{key: binary.LittleEndian.Uint64(h.Sum(nil))}
}

// Stream returns the number of the stream of random numbers for this pass,
// which solvers that train together do not share.
func (e *Env) Stream() uint64 { return uint64(e.Pass)*uint64(max(e.Ranks, 1)) + uint64(e.Rank) }

// Uniform sets y to random numbers in [a,b) of a stream.
func (r Rand) Uniform(p *parallel.Pool, stream uint64, a, b float32, y []float32) {
	kernel.PhiloxUniform(p, r.key, stream, 0, a, b, y)
}

// Gaussian sets y to random numbers of the normal distribution of a stream.
func (r Rand) Gaussian(p *parallel.Pool, stream uint64, mean, std float32, y []float32) {
	kernel.PhiloxGaussian(p, r.key, stream, 0, mean, std, y)
}

// Uint32 sets y to the words offset, offset+1, ... of a stream.
func (r Rand) Uint32(p *parallel.Pool, stream, offset uint64, y []uint32) {
	kernel.PhiloxUint32(p, r.key, stream, offset, y)
}

// DropoutMask sets each element of mask to 0 with probability ratio and to scale
// otherwise, depending on a stream.
func (r Rand) DropoutMask(p *parallel.Pool, stream uint64, ratio, scale float32, mask []float32) {
	kernel.DropoutMask(p, r.key, stream, ratio, scale, mask)
}

// Key returns the key, for kernels on a device that make the same numbers.
func (r Rand) Key() uint64 { return r.key }

// Source returns a stream as a math/rand/v2.Source, for permutations and
// numbers that are drawn one by one.
func (r Rand) Source(stream uint64) *RandSource {
	return &RandSource{kernel.Philox{Key: r.key, Stream: stream}}
}

// RandSource hands out the numbers of one stream of a Rand in order.
type RandSource struct{ philox kernel.Philox }

// Uint64 returns the next number.
func (s *RandSource) Uint64() uint64 { return s.philox.Uint64() }

// Restart moves the source to the beginning of a stream of its Rand.
func (s *RandSource) Restart(stream uint64) {
	s.philox = kernel.Philox{Key: s.philox.Key, Stream: stream}
}
