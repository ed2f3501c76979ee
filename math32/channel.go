package math32

import (
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// The functions of this file work on blobs of n items, c channels and s
// numbers: x[(i·c + channel)·s + k].

// ChannelScaleShift sets dst to x·scale[channel] + shift[channel]. Either of
// scale and shift, which have c numbers, may be nil and is then left out. dst
// may be x.
func ChannelScaleShift(w *layers.Workers, dst, x, scale, shift []float32, n, c, s int) {
	kernel.ChannelScaleShift(w, dst, x, scale, shift, n, c, s)
}

// ChannelSum sets sum, of c numbers, to the sums over items and places.
func ChannelSum(w *layers.Workers, sum, x []float32, n, c, s int) {
	kernel.ChannelSum(w, sum, x, n, c, s)
}

// ChannelDot sets dot, of c numbers, to the sums of a·b over items and places.
func ChannelDot(w *layers.Workers, dot, a, b []float32, n, c, s int) {
	kernel.ChannelDot(w, dot, a, b, n, c, s)
}

// ChannelStats sets mean and variance, of c numbers, to those over items and
// places. The variance is the biased one, the mean of (x - mean)².
func ChannelStats(w *layers.Workers, x, mean, variance []float32, n, c, s int) {
	kernel.BatchNormStats(w, x, mean, variance, n, c, s)
}

// ChannelNormalize sets dst to (x - mean[channel])·invstd[channel]. dst may be
// x. It loses nothing where the mean is large against the standard deviation.
func ChannelNormalize(w *layers.Workers, dst, x, mean, invstd []float32, n, c, s int) {
	kernel.BatchNormForward(w, dst, x, mean, invstd, n, c, s)
}

// ChannelNormalizeBackward sets dx to the gradient through ChannelNormalize
// with the mean and the standard deviation of x itself:
//
//	dx = (dy - mean(dy) - mean(dy·xnorm)·xnorm)·invstd[channel]
//
// where xnorm is the normalized blob and the means are over items and places.
// dx may be dy or xnorm.
func ChannelNormalizeBackward(w *layers.Workers, dx, dy, xnorm, invstd []float32, n, c, s int) {
	kernel.BatchNormBackward(w, dx, dy, xnorm, invstd, n, c, s)
}
