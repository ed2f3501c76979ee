package kernel

import "github.com/gocaffe/gocaffe/parallel"

// Batch normalization over blobs of n items, c channels and planes of s
// numbers, as Caffe's batch_norm_layer.cpp computes it. Sums are in float64.

// BatchNormStats sets mean and variance, of c numbers, to each channel's mean
// over n and s and to its biased variance, the mean of (x - mean)².
//
// x is read once: the variance is the mean of the squares less the square of
// the mean. The squares of float32 are exact in float64, in which the sums are,
// so that its relative error is that of float32 until the mean is some ten
// thousand standard deviations, which is beyond what float32 itself resolves
// well.
func BatchNormStats(p *Pool, x, mean, variance []float32, n, c, s int) {
	channelCheck("BatchNormStats", n, c, s, x)
	vecCheck("BatchNormStats", min(len(mean), len(variance)), c)
	if n*c*s == 0 {
		return
	}
	a := channelArgs{x: x, n: n, c: c, s: s}
	if s == 1 {
		sums := newPartials(2 * c)
		a.sums, a.sums2 = (*sums)[:c], (*sums)[c:]
		columnStatsJob.Run(p, c, columnsPerPart, a)
		for ch := range c {
			mean[ch] = float32(a.sums[ch])
			variance[ch] = float32(a.sums2[ch])
		}
		freePartials(sums)
		return
	}
	sums := newPartials(2*n*c + 2*c)
	a.sums, a.sums2 = (*sums)[:n*c], (*sums)[n*c:2*n*c]
	planeStatsJob.Run(p, n*c, planesPerPart(s), a)
	total, squares := (*sums)[2*n*c:2*n*c+c], (*sums)[2*n*c+c:]
	sumItems(total, a.sums)
	sumItems(squares, a.sums2)
	for ch := range c {
		mean[ch], variance[ch] = statsOf(total[ch], squares[ch], n*s)
	}
	freePartials(sums)
}

// statsOf returns mean and biased variance of n numbers, given their sum and the
// sum of their squares.
func statsOf(sum, squares float64, n int) (mean, variance float32) {
	m := sum / float64(n)
	return float32(m), float32(max(0, squares/float64(n)-m*m))
}

// planeStatsJob leaves each plane's sum and sum of squares. Whoever has made x
// could bring them along.
var planeStatsJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i], a.sums2[i] = vec().sumAndSq(a.x[i*a.s : (i+1)*a.s])
	}
}}

// columnStatsJob leaves the mean and variance of each column.
var columnStatsJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, worker, lo, hi int) {
	columnSums(a, worker, lo, hi)
	means, squares := a.sums[lo:hi], a.sums2[lo:hi]
	for j := range means {
		means[j] /= float64(a.n)
	}
	clear(squares)
	for i := range a.n {
		for j, v := range a.x[i*a.c+lo : i*a.c+hi] {
			d := float64(v) - means[j]
			squares[j] += d * d
		}
	}
	for j := range squares {
		squares[j] /= float64(a.n)
	}
}}

// BatchNormForward sets dst to (x - mean[channel])·invstd[channel]. dst may be
// x. Unlike ChannelScaleShift with shift = -mean·invstd it loses nothing where
// the mean is large against the standard deviation.
func BatchNormForward(p *Pool, dst, x, mean, invstd []float32, n, c, s int) {
	channelCheck("BatchNormForward", n, c, s, dst, x)
	vecCheck("BatchNormForward", min(len(mean), len(invstd)), c)
	if s == 1 {
		rowNormalizeJob.Run(p, n, planesPerPart(c), channelArgs{dst: dst, x: x, shift: mean, scale: invstd, c: c})
		return
	}
	planeNormalizeJob.Run(p, n*c, planesPerPart(s), channelArgs{dst: dst, x: x, shift: mean, scale: invstd, c: c, s: s})
}

var planeNormalizeJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		vec().normalize(a.dst[i*a.s:(i+1)*a.s], a.x[i*a.s:(i+1)*a.s], a.shift[i%a.c], a.scale[i%a.c])
	}
}}

var rowNormalizeJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		dst := a.dst[i*a.c : (i+1)*a.c]
		vec().sub(dst, a.x[i*a.c:(i+1)*a.c], a.shift[:a.c])
		vec().mul(dst, dst, a.scale[:a.c])
	}
}}

// BatchNormBackward sets dx to the gradient through the normalization with the
// batch's own statistics:
//
//	dx = (dy - mean(dy) - mean(dy·xnorm)·xnorm)·invstd[channel]
//
// where xnorm is the normalized blob, the means are over n and s, and invstd is
// 1/√(variance + eps). dx may be dy.
func BatchNormBackward(p *Pool, dx, dy, xnorm, invstd []float32, n, c, s int) {
	channelCheck("BatchNormBackward", n, c, s, dx, dy, xnorm)
	vecCheck("BatchNormBackward", len(invstd), c)
	if n*c*s == 0 {
		return
	}
	a := channelArgs{dst: dx, x: dy, y: xnorm, scale: invstd, n: n, c: c, s: s}
	sums := newPartials(2*n*c + 2*c)
	a.meanDy, a.meanDyX = (*sums)[2*n*c:2*n*c+c], (*sums)[2*n*c+c:]
	if s == 1 {
		a.sums, a.sums2 = a.meanDy, a.meanDyX
		columnSumDotJob.Run(p, c, columnsPerPart, a)
	} else {
		a.sums, a.sums2 = (*sums)[:n*c], (*sums)[n*c:2*n*c]
		planeSumDotJob.Run(p, n*c, planesPerPart(s), a)
		sumItems(a.meanDy, a.sums)
		sumItems(a.meanDyX, a.sums2)
	}
	for ch := range c {
		a.meanDy[ch] /= float64(n) * float64(s)
		a.meanDyX[ch] /= float64(n) * float64(s)
	}
	if s == 1 {
		rowBackwardJob.Run(p, n, planesPerPart(c), a)
	} else {
		planeBackwardJob.Run(p, n*c, planesPerPart(s), a)
	}
	freePartials(sums)
}

var planeSumDotJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i], a.sums2[i] = vec().sumDot(a.x[i*a.s:(i+1)*a.s], a.y[i*a.s:(i+1)*a.s])
	}
}}

var columnSumDotJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	sums, dots := a.sums[lo:hi], a.sums2[lo:hi]
	clear(sums)
	clear(dots)
	for i := range a.n {
		y := a.y[i*a.c+lo : i*a.c+hi]
		for j, v := range a.x[i*a.c+lo : i*a.c+hi] {
			sums[j] += float64(v)
			dots[j] += float64(v) * float64(y[j])
		}
	}
}}

var planeBackwardJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := i%a.c, i*a.s, (i+1)*a.s
		vec().bnBackward(a.dst[at:end], a.x[at:end], a.y[at:end],
			float32(a.meanDy[ch]), float32(a.meanDyX[ch]), a.scale[ch])
	}
}}

var rowBackwardJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo * a.c; i < hi*a.c; i++ {
		ch := i % a.c
		a.dst[i] = (a.x[i] - float32(a.meanDy[ch]) - float32(float32(a.meanDyX[ch])*a.y[i])) * a.scale[ch]
	}
}}
