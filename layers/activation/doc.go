// Package activation implements the layers that work element by element.
package activation

import "github.com/gocaffe/gocaffe/blob"

// elementwise is embedded by these layers. They have no weights, and a top of the shape
// of the bottom, which may be the bottom itself, as in Caffe's neuron_layer.cpp.
type elementwise struct{}

// SetUp does nothing.
func (elementwise) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (elementwise) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

// blockSize is the number of elements in one part of a parallel loop.
const blockSize = 16 << 10
