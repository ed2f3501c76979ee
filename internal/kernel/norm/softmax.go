package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

type softmaxArgs struct {
	channels, inner int
	x, y, dst       []float32
	width, chunks   int // columns in a part, and parts of an item
	pool            *parallel.Pool
}

// softmaxChunk is the number of columns in a part if the channels are not contiguous, and
// softmaxLeast the smallest where there are few parts.
const (
	softmaxChunk = 1024
	softmaxLeast = 64
)

// Softmax sets y to exp(x)/Σ exp(x), with the sum over the channels of
// (outer,channels,inner), like Caffe's softmax_layer.cpp. It subtracts the largest x of
// the channels first, so nothing overflows. y may be x.
func Softmax(p *parallel.Pool, outer, channels, inner int, x, y []float32) {
	checkBlobs("Softmax", outer, channels, inner, x, y)
	runSoftmax(p, &softmaxRows, &softmaxColumns, outer,
		softmaxArgs{channels: channels, inner: inner, x: x, dst: y})
}

// SoftmaxBackward sets dx to (dy - Σ dy·y)·y, with the sum over the channels. dx
// may be dy.
func SoftmaxBackward(p *parallel.Pool, outer, channels, inner int, y, dy, dx []float32) {
	checkBlobs("SoftmaxBackward", outer, channels, inner, y, dy, dx)
	runSoftmax(p, &softmaxGradRows, &softmaxGradColumns, outer,
		softmaxArgs{channels: channels, inner: inner, x: dy, y: y, dst: dx})
}

func runSoftmax(p *parallel.Pool, rows, columns *parallel.Loop[softmaxArgs], outer int, a softmaxArgs) {
	if outer == 0 || a.channels == 0 || a.inner == 0 {
		return
	}
	if a.inner == 1 {
		rows.Run(p, outer, planesPerPart(a.channels), a)
		return
	}
	a.pool = p
	a.width = softmaxChunk
	if outer*a.inner < enoughParts*softmaxChunk {
		a.width = min(softmaxChunk, max(softmaxLeast, vec.Block/a.channels))
	}
	a.chunks = (a.inner + a.width - 1) / a.width
	columns.Run(p, outer*a.chunks, 1, a)
}

var softmaxRows = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.channels, (i+1)*a.channels
		x, y := a.x[at:end], a.dst[at:end]
		vec.AddScalar(-vec.Max(x), x, y)
		vec.Exp(y, y)
		vec.Scale(float32(1/vec.Sum(y)), y, y)
	}
}}

var softmaxGradRows = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.channels, (i+1)*a.channels
		dx, dy, y := a.dst[at:end], a.x[at:end], a.y[at:end]
		vec.AddScalar(-float32(vec.Dot(dy, y)), dy, dx)
		vec.Mul(dx, y, dx)
	}
}}

// columns returns the index of the first element of part i, and the number of its
// columns.
func (a *softmaxArgs) columns(i int) (first, n int) {
	item, lo := i/a.chunks, i%a.chunks*a.width
	return item*a.channels*a.inner + lo, min(a.width, a.inner-lo)
}

var softmaxColumns = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, worker, lo, hi int) {
	buf := a.pool.Scratch(worker, softmaxChunk)
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		top := buf[:n] // first the maxima of the columns, then their sums
		copy(top, a.x[first:first+n])
		for ch := range a.channels {
			at := first + ch*a.inner
			vec.Maximum(top, a.x[at:at+n], top)
		}
		for ch := range a.channels {
			at := first + ch*a.inner
			y := a.dst[at : at+n]
			vec.Sub(a.x[at:at+n], top, y)
			vec.Exp(y, y)
		}
		clear(top)
		for ch := range a.channels {
			at := first + ch*a.inner
			vec.Add(top, a.dst[at:at+n], top)
		}
		for ch := range a.channels {
			at := first + ch*a.inner
			vec.Div(a.dst[at:at+n], top, a.dst[at:at+n])
		}
	}
}}

var softmaxGradColumns = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, worker, lo, hi int) {
	buf := a.pool.Scratch(worker, softmaxChunk)
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		dot := buf[:n]
		clear(dot)
		for ch := range a.channels {
			at := first + ch*a.inner
			for k, d := range a.x[at : at+n] {
				dot[k] += float32(d * a.y[at+k])
			}
		}
		for ch := range a.channels {
			at := first + ch*a.inner
			dx := a.dst[at : at+n]
			vec.Sub(a.x[at:at+n], dot, dx)
			vec.Mul(dx, a.y[at:at+n], dx)
		}
	}
}}
