// Package activation holds the layers that work on every number by itself.
package activation

import "github.com/gocaffe/gocaffe/blob"

// elementwise is what these layers embed: no weights, and a top of the shape of
// the bottom, which it may be, as in Caffe's neuron_layer.cpp.
type elementwise struct{}

// SetUp does nothing.
func (elementwise) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (elementwise) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

// blockSize is the number of elements in a part of a blocks task.
const blockSize = 16 << 10

// blocks is a loop over n elements, cut into parts for the threads. loop is set
// once, when the layer is made, and takes its slices from the layer.
type blocks struct {
	n    int
	loop func(lo, hi int)
}

// Do runs part i.
func (b *blocks) Do(_, i int) { b.loop(i*blockSize, min((i+1)*blockSize, b.n)) }

// parts returns the number of parts of a loop over n elements.
func (b *blocks) parts(n int) int {
	b.n = n
	return (n + blockSize - 1) / blockSize
}
