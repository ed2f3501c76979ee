package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// Batch normalization like Caffe's batch_norm_layer.cpp, but with sums in float64.

// ChannelStats sets mean and variance, which are (c), to each channel's mean and
// biased variance, the mean of (x - mean)².
//
// It reads x once: the variance is the mean of the squares minus the square
// of the mean. Squares of float32 are exact in float64, which is used to sum them. So the
// relative error is that of float32 until the mean is about ten thousand standard
// deviations, where float32 itself no longer resolves x well.
func ChannelStats(p *parallel.Pool, n, c, s int, x, mean, variance []float32) {
	checkBlobs("ChannelStats", n, c, s, x)
	vec.Check("ChannelStats", min(len(mean), len(variance)), c)
	if n*c*s == 0 {
		return
	}
	a := channelArgs{n: n, c: c, s: s, x: x, y: x}
	size := n * c // sums
	if byRows(n, s) {
		size, a.c = c*s, c*s
	}
	sums := vec.NewSums(2*size + 2*c)
	a.sums, a.sums2 = (*sums)[:size], (*sums)[size:2*size]
	total := (*sums)[2*size:]
	if byRows(n, s) {
		columnSumDot.Run(p, size, columnsPerPart, a)
		sumPlaces(a.sums, total[:c])
		sumPlaces(a.sums2, total[c:])
	} else {
		planeStats.Run(p, size, planesPerPart(s), a)
		sumItems(a.sums, total[:c])
		sumItems(a.sums2, total[c:])
	}
	setStats(total, n*s, mean, variance)
	vec.FreeSums(sums)
}

// setStats sets mean and variance from the sums of each channel, which are followed by those of
// the squares, and the number of its elements.
func setStats(total []float64, count int, mean, variance []float32) {
	c := len(total) / 2
	for ch := range c {
		mean[ch], variance[ch] = statsOf(total[ch], total[c+ch], count)
	}
}

// statsOf returns the mean and biased variance of n elements, given their sum and
// the sum of their squares.
func statsOf(sum, squares float64, n int) (mean, variance float32) {
	m := sum / float64(n)
	return float32(m), float32(max(0, squares/float64(n)-m*m))
}

// planeStats stores the sum and the sum of squares of each plane.
var planeStats = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i], a.sums2[i] = active().sumAndSquares(a.x[i*a.s : (i+1)*a.s])
	}
}}

// ChannelNormalize sets y to (x - mean[channel])·invstd[channel]. y may be x.
// Unlike ChannelScaleShift with a shift of -mean·invstd, it is exact even if the mean is
// large compared with the standard deviation.
func ChannelNormalize(p *parallel.Pool, n, c, s int, x, mean, invstd, y []float32) {
	checkBlobs("ChannelNormalize", n, c, s, x, y)
	vec.Check("ChannelNormalize", min(len(mean), len(invstd)), c)
	a := channelArgs{n: n, c: c, s: s, x: x, dst: y, shift: mean, scale: invstd}
	if s == 1 {
		rowNormalize.Run(p, n, planesPerPart(c), a)
		return
	}
	planeNormalize.Run(p, n*c, planesPerPart(s), a)
}

var planeNormalize = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		active().normalize(a.dst[at:end], a.x[at:end], a.shift[ch], a.scale[ch])
	}
}}

var rowNormalize = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		y := a.dst[i*a.c : (i+1)*a.c]
		vec.Sub(a.x[i*a.c:(i+1)*a.c], a.shift, y)
		vec.Mul(y, a.scale, y)
	}
}}

// ChannelNormalizeBackward sets dx to the gradient of ChannelNormalize with mean
// and invstd = 1/√(variance + eps) of x itself:
//
//	dx = (dy - mean(dy) - mean(dy·y)·y)·invstd[channel]
//
// where the means are over each channel. dx may be dy.
func ChannelNormalizeBackward(p *parallel.Pool, n, c, s int, y, invstd, dy, dx []float32) {
	checkBlobs("ChannelNormalizeBackward", n, c, s, y, dy, dx)
	vec.Check("ChannelNormalizeBackward", len(invstd), c)
	if n*c*s == 0 {
		return
	}
	a := channelArgs{n: n, c: c, s: s, x: dy, y: y, dst: dx, scale: invstd}
	sums := vec.NewSums(2*n*c + 2*c)
	a.meanDy, a.meanDyY = (*sums)[2*n*c:2*n*c+c], (*sums)[2*n*c+c:]
	if s == 1 {
		a.sums, a.sums2 = a.meanDy, a.meanDyY
		columnSumDot.Run(p, c, columnsPerPart, a)
	} else {
		a.sums, a.sums2 = (*sums)[:n*c], (*sums)[n*c:2*n*c]
		planeSumDot.Run(p, n*c, planesPerPart(s), a)
		sumItems(a.sums, a.meanDy)
		sumItems(a.sums2, a.meanDyY)
	}
	for ch := range c {
		a.meanDy[ch] /= float64(n) * float64(s)
		a.meanDyY[ch] /= float64(n) * float64(s)
	}
	if s == 1 {
		rowNormalizeGrad.Run(p, n, planesPerPart(c), a)
	} else {
		planeNormalizeGrad.Run(p, n*c, planesPerPart(s), a)
	}
	vec.FreeSums(sums)
}

var planeSumDot = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i], a.sums2[i] = active().sumAndDot(a.x[i*a.s:(i+1)*a.s], a.y[i*a.s:(i+1)*a.s])
	}
}}

var planeNormalizeGrad = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		active().normalizeGrad(a.dst[at:end], a.x[at:end], a.y[at:end],
			float32(a.meanDy[ch]), float32(a.meanDyY[ch]), a.scale[ch])
	}
}}

var rowNormalizeGrad = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo * a.c; i < hi*a.c; i++ {
		ch := i % a.c
		a.dst[i] = (a.x[i] - float32(a.meanDy[ch]) - float32(float32(a.meanDyY[ch])*a.y[i])) * a.scale[ch]
	}
}}
