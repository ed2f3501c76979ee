package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// ChannelScaleShift sets y to x scale[channel] + shift[channel]. x and y are
// (n,c,s), scale and shift are (c). Either of scale and shift may be nil and is
// then left out. y may be x.
func ChannelScaleShift(p *parallel.Pool, n, c, s int, x, scale, shift, y []float32) {
	norm.ChannelScaleShift(p, n, c, s, x, scale, shift, y)
}

// ChannelSum sets sum, of shape (c), to the sum of x, of shape (n,c,s), over
// each channel.
func ChannelSum(p *parallel.Pool, n, c, s int, x, sum []float32) {
	norm.ChannelSum(p, n, c, s, x, sum)
}

// ChannelDot sets dot, of shape (c), to the sum of a b over each channel. a and
// b are (n,c,s).
func ChannelDot(p *parallel.Pool, n, c, s int, a, b, dot []float32) {
	norm.ChannelDot(p, n, c, s, a, b, dot)
}

// ChannelStats sets mean and variance, of shape (c), to those of each channel of
// x, of shape (n,c,s). The variance is the biased one, the mean of (x - mean)².
func ChannelStats(p *parallel.Pool, n, c, s int, x, mean, variance []float32) {
	norm.ChannelStats(p, n, c, s, x, mean, variance)
}

// ChannelNormalize sets y to (x - mean[channel]) invstd[channel]. x and y are
// (n,c,s), mean and invstd are (c). Unlike ChannelScaleShift with a shift of
// -mean·invstd it is exact where the mean is large compared with the standard
// deviation. y may be x.
func ChannelNormalize(p *parallel.Pool, n, c, s int, x, mean, invstd, y []float32) {
	norm.ChannelNormalize(p, n, c, s, x, mean, invstd, y)
}

// ChannelNormalizeBackward sets dx to the gradient of ChannelNormalize whose
// mean and invstd are those of x itself:
//
//	dx = (dy - mean(dy) - mean(dy y) y) invstd[channel]
//
// y is the output of ChannelNormalize; y, dy and dx are (n,c,s), invstd is (c),
// and the means are over each channel. dx may be dy.
func ChannelNormalizeBackward(p *parallel.Pool, n, c, s int, y, invstd, dy, dx []float32) {
	norm.ChannelNormalizeBackward(p, n, c, s, y, invstd, dy, dx)
}
