package kernel

import "github.com/gocaffe/gocaffe/parallel"

// The functions of this file work on arrays of n items of c channels of s
// numbers, as Caffe's blobs are: x[(i·c + ch)·s + k]. A plane is the s numbers
// of one item and channel.

type channelArgs struct {
	dst, x, y    []float32
	scale, shift []float32
	meanDy       []float64 // batchNormBackward's means, one of each channel
	meanDyX      []float64
	sums, sums2  []float64 // one of each plane
	n, c, s      int
}

// planesPerPart is the number of planes of s numbers in one part of a job.
func planesPerPart(s int) int { return max(1, vecBlock/max(1, s)) }

// columnsPerPart is the number of channels in one part of a job that goes over
// the items of a blob with one number a plane.
const columnsPerPart = 256

func channelCheck(fn string, n, c, s int, blobs ...[]float32) {
	for _, x := range blobs {
		vecCheck(fn, len(x), n*c*s)
	}
}

// ChannelScaleShift sets dst to x·scale[channel] + shift[channel]. Either of
// scale and shift, which have c numbers, may be nil and is then left out. dst
// may be x.
func ChannelScaleShift(p *Pool, dst, x, scale, shift []float32, n, c, s int) {
	channelCheck("ChannelScaleShift", n, c, s, dst, x)
	if scale != nil {
		vecCheck("ChannelScaleShift", len(scale), c)
	}
	if shift != nil {
		vecCheck("ChannelScaleShift", len(shift), c)
	}
	args := channelArgs{dst: dst, x: x, scale: scale, shift: shift, c: c, s: s}
	if s == 1 {
		rowScaleShiftJob.Run(p, n, planesPerPart(c), args)
		return
	}
	planeScaleShiftJob.Run(p, n*c, planesPerPart(s), args)
}

var planeScaleShiftJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		dst, x, ch := a.dst[i*a.s:(i+1)*a.s], a.x[i*a.s:(i+1)*a.s], i%a.c
		switch {
		case a.scale == nil && a.shift == nil:
			copy(dst, x)
		case a.scale == nil:
			vec().addScalar(dst, x, a.shift[ch])
		case a.shift == nil:
			vec().scale(a.scale[ch], x, dst)
		default:
			vec().scaleShift(dst, x, a.scale[ch], a.shift[ch])
		}
	}
}}

var rowScaleShiftJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		dst, x := a.dst[i*a.c:(i+1)*a.c], a.x[i*a.c:(i+1)*a.c]
		switch {
		case a.scale == nil && a.shift == nil:
			copy(dst, x)
		case a.scale == nil:
			vec().add(dst, x, a.shift[:a.c])
		case a.shift == nil:
			vec().mul(dst, x, a.scale[:a.c])
		default:
			vec().mulAdd(dst, x, a.scale[:a.c], a.shift[:a.c])
		}
	}
}}

// ChannelSum sets sum[channel], of c numbers, to the sum over the channel's n
// planes.
func ChannelSum(p *Pool, sum, x []float32, n, c, s int) {
	channelCheck("ChannelSum", n, c, s, x)
	vecCheck("ChannelSum", len(sum), c)
	channelReduce(p, &planeSumJob, &columnSumJob, sum, channelArgs{x: x, n: n, c: c, s: s})
}

// ChannelDot sets dot[channel], of c numbers, to the inner product of the
// channel's n planes in a and in b.
func ChannelDot(p *Pool, dot, a, b []float32, n, c, s int) {
	channelCheck("ChannelDot", n, c, s, a, b)
	vecCheck("ChannelDot", len(dot), c)
	channelReduce(p, &planeDotJob, &columnDotJob, dot, channelArgs{x: a, y: b, n: n, c: c, s: s})
}

var planeSumJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i] = vec().sum(a.x[i*a.s : (i+1)*a.s])
	}
}}

var planeDotJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i] = vec().dot(a.x[i*a.s:(i+1)*a.s], a.y[i*a.s:(i+1)*a.s])
	}
}}

var columnSumJob = parallel.Loop[channelArgs]{Body: columnSums}

// columnSums leaves the sums of the columns from lo to hi-1.
func columnSums(a *channelArgs, _, lo, hi int) {
	sums := a.sums[lo:hi]
	clear(sums)
	for i := range a.n {
		for j, v := range a.x[i*a.c+lo : i*a.c+hi] {
			sums[j] += float64(v)
		}
	}
}

var columnDotJob = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	sums := a.sums[lo:hi]
	clear(sums)
	for i := range a.n {
		y := a.y[i*a.c+lo : i*a.c+hi]
		for j, v := range a.x[i*a.c+lo : i*a.c+hi] {
			sums[j] += float64(v) * float64(y[j])
		}
	}
}}

// channelReduce sums by planes, then over the planes of a channel in order; or
// by columns, if a plane has one number.
func channelReduce(p *Pool, planes, columns *parallel.Loop[channelArgs], out []float32, a channelArgs) {
	if a.s == 1 {
		sums := newPartials(a.c)
		a.sums = *sums
		columns.Run(p, a.c, columnsPerPart, a)
		for ch, v := range a.sums {
			out[ch] = float32(v)
		}
		freePartials(sums)
		return
	}
	sums := newPartials((a.n + 1) * a.c)
	a.sums = (*sums)[:a.n*a.c]
	planes.Run(p, a.n*a.c, planesPerPart(a.s), a)
	total := (*sums)[a.n*a.c:]
	sumItems(total, a.sums)
	for ch, v := range total {
		out[ch] = float32(v)
	}
	freePartials(sums)
}

// sumItems sets total, of one number a channel, to the sum over the items of
// sums, in their order.
func sumItems(total, sums []float64) {
	clear(total)
	for len(sums) > 0 {
		for ch := range total {
			total[ch] += sums[ch]
		}
		sums = sums[len(total):]
	}
}
