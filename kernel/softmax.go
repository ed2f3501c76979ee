package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// Softmax sets y to exp(x)/Σ exp(x), where the sum is over the channels, as
// Caffe's softmax_layer.cpp does. x and y are (outer,channels,inner). The largest
// x of the channels is subtracted first, so exp does not overflow. y may be x.
func Softmax(p *parallel.Pool, outer, channels, inner int, x, y []float32) {
	norm.Softmax(p, outer, channels, inner, x, y)
}

// SoftmaxBackward sets dx to the gradient of Softmax, (dy - Σ dy y) y, where the
// sum is over the channels. y is the output of Softmax; y, dy and dx are
// (outer,channels,inner). dx may be dy.
func SoftmaxBackward(p *parallel.Pool, outer, channels, inner int, y, dy, dx []float32) {
	norm.SoftmaxBackward(p, outer, channels, inner, y, dy, dx)
}
