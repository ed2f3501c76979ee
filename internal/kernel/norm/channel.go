// Package norm normalizes over channels: batch normalization with the scale,
// shift and rectifier that may follow it, local response normalization and
// softmax, and the sums and maps over channels that they are built from.
//
// The arrays are (n,c,s) like Caffe's blobs: n items of c channels of s
// elements, x[(i·c + ch)·s + k]. A plane is the s elements of one item and
// channel. With s = 1 the functions go through rows of c elements instead, and with a small s
// some of them through rows of c·s elements.
package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject norm -out ../norm/norm_amd64.s -stubs ../norm/stubs_amd64.go -pkg norm
//go:generate go run -C ../_asm ./arm64 -subject norm -out ../norm/norm_arm64.s -stubs ../norm/stubs_arm64.go

// channelArgs are the arguments of the loops over planes, rows or columns.
type channelArgs struct {
	n, c, s         int
	x, y, dst       []float32
	scale, shift    []float32 // of each channel
	sums, sums2     []float64 // results of each plane or column
	meanDy, meanDyY []float64 // of each channel, for ChannelNormalizeBackward
}

// plane returns the channel of plane i, and the start and end of its elements.
func (a *channelArgs) plane(i int) (ch, at, end int) { return i % a.c, i * a.s, (i + 1) * a.s }

// planesPerPart returns the number of planes of s elements in one part of a loop.
func planesPerPart(s int) int { return max(1, vec.Block/max(1, s)) }

// enoughParts is the number of parts from which on a loop is not cut further, since few
// threads then end together. Loops over parts of items have fewer where there is one item.
const enoughParts = 16

// columnsPerPart is the number of channels in one part of a loop over the items of
// an array with s = 1.
const columnsPerPart = 256

// smallPlane is the number of elements up to which planes are too short for a loop of their own.
// With rowItems items and more, the s·c elements of an item are then a row, as if each were a
// channel.
const (
	smallPlane = 16
	rowItems   = 8
)

// byRows reports whether items are rows.
func byRows(n, s int) bool { return s == 1 || s <= smallPlane && n >= rowItems }

// checkBlobs panics if one of the arrays is too short.
func checkBlobs(fn string, n, c, s int, blobs ...[]float32) {
	for _, x := range blobs {
		vec.Check(fn, len(x), n*c*s)
	}
}

// ChannelScaleShift sets y to x·scale[channel] + shift[channel]. scale and shift are
// (c); either may be nil and is then left out. y may be x.
func ChannelScaleShift(p *parallel.Pool, n, c, s int, x, scale, shift, y []float32) {
	checkBlobs("ChannelScaleShift", n, c, s, x, y)
	if scale != nil {
		vec.Check("ChannelScaleShift", len(scale), c)
	}
	if shift != nil {
		vec.Check("ChannelScaleShift", len(shift), c)
	}
	a := channelArgs{n: n, c: c, s: s, x: x, dst: y, scale: scale, shift: shift}
	if s == 1 {
		rowScaleShift.Run(p, n, planesPerPart(c), a)
		return
	}
	planeScaleShift.Run(p, n*c, planesPerPart(s), a)
}

var planeScaleShift = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		x, y := a.x[at:end], a.dst[at:end]
		switch {
		case a.scale == nil && a.shift == nil:
			copy(y, x)
		case a.scale == nil:
			vec.AddScalar(a.shift[ch], x, y)
		case a.shift == nil:
			vec.Scale(a.scale[ch], x, y)
		default:
			vec.ScaleShift(a.scale[ch], a.shift[ch], x, y)
		}
	}
}}

var rowScaleShift = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		x, y := a.x[i*a.c:(i+1)*a.c], a.dst[i*a.c:(i+1)*a.c]
		switch {
		case a.scale == nil && a.shift == nil:
			copy(y, x)
		case a.scale == nil:
			vec.Add(x, a.shift, y)
		case a.shift == nil:
			vec.Mul(x, a.scale, y)
		default:
			vec.MulAdd(x, a.scale, a.shift, y)
		}
	}
}}

// ChannelSum sets sum, which is (c), to the sum of x over each channel.
func ChannelSum(p *parallel.Pool, n, c, s int, x, sum []float32) {
	checkBlobs("ChannelSum", n, c, s, x)
	vec.Check("ChannelSum", len(sum), c)
	reduce(p, &planeSum, &columnSumDot, channelArgs{n: n, c: c, s: s, x: x, y: x}, sum)
}

// ChannelDot sets dot, which is (c), to the inner product of a and b over each
// channel.
func ChannelDot(p *parallel.Pool, n, c, s int, a, b, dot []float32) {
	checkBlobs("ChannelDot", n, c, s, a, b)
	vec.Check("ChannelDot", len(dot), c)
	reduce(p, &planeDot, &columnDotSum, channelArgs{n: n, c: c, s: s, x: a, y: b}, dot)
}

var planeSum = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i] = vec.Sum(a.x[i*a.s : (i+1)*a.s])
	}
}}

var planeDot = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.sums[i] = vec.Dot(a.x[i*a.s:(i+1)*a.s], a.y[i*a.s:(i+1)*a.s])
	}
}}

// columnSumDot stores the sum of each column of x, and its inner product with that of y.
var columnSumDot = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	active().columnSums(a.x[lo:], a.y[lo:], a.c, a.n, a.sums[lo:hi], a.sums2[lo:hi])
}}

// columnDotSum stores them the other way round.
var columnDotSum = parallel.Loop[channelArgs]{Body: func(a *channelArgs, _, lo, hi int) {
	active().columnSums(a.x[lo:], a.y[lo:], a.c, a.n, a.sums2[lo:hi], a.sums[lo:hi])
}}

// reduce sums by planes, and then over the planes of a channel in order; or by
// columns, if s is 1.
func reduce(p *parallel.Pool, planes, columns *parallel.Loop[channelArgs], a channelArgs, result []float32) {
	if a.n*a.c*a.s == 0 {
		clear(result[:a.c])
		return
	}
	if a.s == 1 {
		sums := vec.NewSums(2 * a.c)
		a.sums, a.sums2 = (*sums)[:a.c], (*sums)[a.c:]
		columns.Run(p, a.c, columnsPerPart, a)
		for ch, v := range a.sums {
			result[ch] = float32(v)
		}
		vec.FreeSums(sums)
		return
	}
	sums := vec.NewSums((a.n + 1) * a.c)
	a.sums = (*sums)[:a.n*a.c]
	planes.Run(p, a.n*a.c, planesPerPart(a.s), a)
	total := (*sums)[a.n*a.c:]
	sumItems(a.sums, total)
	for ch, v := range total {
		result[ch] = float32(v)
	}
	vec.FreeSums(sums)
}

// sumItems sets total, which is (c), to the sum over the items of sums, which is
// (n,c), in their order.
func sumItems(sums, total []float64) {
	clear(total)
	for len(sums) > 0 {
		for ch := range total {
			total[ch] += sums[ch]
		}
		sums = sums[len(total):]
	}
}

// sumPlaces sets total, which is (c), to the sums over the elements of each plane of sums, which
// is (c,s).
func sumPlaces(sums, total []float64) {
	s := len(sums) / max(1, len(total))
	if s == 1 {
		copy(total, sums)
		return
	}
	for ch := range total {
		total[ch] = 0
		for _, v := range sums[ch*s : (ch+1)*s] {
			total[ch] += v
		}
	}
}
