package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// LRNForward computes local response normalization across channels, as Caffe's
// lrn_layer.cpp does:
//
//	y = x (k + alpha m)^-beta
//
// where m is the mean of the squares of size channels at the same place, from
// (size-1)/2 channels before x on. Channels that do not exist count as 0. x and y
// are (n,c,s).
func LRNForward(p *parallel.Pool, n, c, s, size int, alpha, beta, k float32, x, y []float32) {
	norm.LRNForward(p, n, c, s, size, alpha, beta, k, x, y)
}

// LRNBackward sets dx to the gradient of LRNForward. x is the input of
// LRNForward; x, dy and dx are (n,c,s). dx must be neither x nor dy.
func LRNBackward(p *parallel.Pool, n, c, s, size int, alpha, beta, k float32, x, dy, dx []float32) {
	norm.LRNBackward(p, n, c, s, size, alpha, beta, k, x, dy, dx)
}

// LRNWithinForward computes local response normalization within channels:
//
//	y = x (1 + alpha m)^-beta
//
// where m is the mean of the squares in a window of (size,size) around x. What
// lies outside the plane counts as 0. size is odd; x and y are (planes,h,w).
func LRNWithinForward(p *parallel.Pool, planes, h, w, size int, alpha, beta float32, x, y []float32) {
	norm.LRNWithinForward(p, planes, h, w, size, alpha, beta, x, y)
}

// LRNWithinBackward sets dx to the gradient of LRNWithinForward. x is the input
// of LRNWithinForward; x, dy and dx are (planes,h,w). dx must be neither x nor dy.
func LRNWithinBackward(p *parallel.Pool, planes, h, w, size int, alpha, beta float32, x, dy, dx []float32) {
	norm.LRNWithinBackward(p, planes, h, w, size, alpha, beta, x, dy, dx)
}
