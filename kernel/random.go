package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/rand"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Philox returns random words of one stream in order. It implements
// math/rand/v2.Source, and its fields are its whole state.
//
// The generator is Philox4x32-10 of Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3" (SC 2011): word i of a stream is a function of the key, the
// stream and i alone. Functions such as PhiloxUniform compute many words at once.
type Philox struct {
	Key    uint64
	Stream uint64
	Offset uint64 // number of words returned
}

// Uint32 returns the next word.
func (r *Philox) Uint32() uint32 {
	var w [1]uint32
	rand.Words(r.Key, r.Stream, r.Offset, w[:])
	r.Offset++
	return w[0]
}

// Uint64 returns the next two words, the first in the low half.
func (r *Philox) Uint64() uint64 {
	lo := r.Uint32()
	return uint64(r.Uint32())<<32 | uint64(lo)
}

// Float32 returns a number in [0,1) made of the next word.
func (r *Philox) Float32() float32 { return rand.Float32(r.Uint32()) }

// philox are the arguments of a loop over random numbers.
type philox struct {
	key, stream, offset uint64
	a, b                float32
	words               []uint32
	y                   []float32
}

var (
	wordLoop = parallel.Loop[philox]{Body: func(r *philox, _, i, j int) {
		rand.Words(r.key, r.stream, r.offset+uint64(i), r.words[i:j])
	}}
	uniformLoop = parallel.Loop[philox]{Body: func(r *philox, _, i, j int) {
		rand.Uniform(r.key, r.stream, r.offset+uint64(i), r.a, r.b, r.y[i:j])
	}}
	gaussianLoop = parallel.Loop[philox]{Body: func(r *philox, _, i, j int) {
		rand.Gaussian(r.key, r.stream, r.offset+uint64(i), r.a, r.b, r.y[i:j])
	}}
)

// PhiloxUint32 sets y[i] to word offset+i of a stream.
func PhiloxUint32(p *parallel.Pool, key, stream, offset uint64, y []uint32) {
	if direct(p, len(y)) {
		rand.Words(key, stream, offset, y)
		return
	}
	wordLoop.Run(p, len(y), vec.Block, philox{key: key, stream: stream, offset: offset, words: y})
}

// PhiloxUniform sets y[i] to a random number in [a,b) made of word offset+i of a
// stream.
func PhiloxUniform(p *parallel.Pool, key, stream, offset uint64, a, b float32, y []float32) {
	if direct(p, len(y)) {
		rand.Uniform(key, stream, offset, a, b, y)
		return
	}
	uniformLoop.Run(p, len(y), vec.Block, philox{key: key, stream: stream, offset: offset, a: a, b: b, y: y})
}

// PhiloxGaussian sets y[i] to element offset+i of a sequence of random numbers of
// the normal distribution. Elements 2j and 2j+1 are made of words 2j and 2j+1 of
// the stream, by Box and Muller's method in float64.
func PhiloxGaussian(p *parallel.Pool, key, stream, offset uint64, mean, std float32, y []float32) {
	if direct(p, len(y)) {
		rand.Gaussian(key, stream, offset, mean, std, y)
		return
	}
	gaussianLoop.Run(p, len(y), vec.Block, philox{key: key, stream: stream, offset: offset, a: mean, b: std, y: y})
}

// DropoutMask sets mask[i] to 0 with probability ratio and to scale otherwise,
// depending on word i of a stream. Dropout multiplies by the mask, forward and
// backward; Caffe's scale is 1/(1-ratio).
func DropoutMask(p *parallel.Pool, key, stream uint64, ratio, scale float32, mask []float32) {
	rand.DropoutMask(p, key, stream, ratio, scale, mask)
}
