package kernel

import "github.com/gocaffe/gocaffe/parallel"

// The functions of this file work on blobs of outer × channels × inner numbers
// and normalize over the channels, as Caffe's softmax_layer.cpp does.

type softmaxArgs struct {
	dst, x, y       []float32
	channels, inner int
	chunks          int // of columns in an item
	pool            *Pool
}

// softmaxColumns is the number of columns that one part works on when the
// channels are not next to each other.
const softmaxColumns = 1024

// Softmax sets y to exp(x)/Σ exp(x), where the largest x of the channels is
// subtracted first so that nothing overflows. y may be x.
func Softmax(p *Pool, x, y []float32, outer, channels, inner int) {
	channelCheck("Softmax", outer, channels, inner, x, y)
	softmaxRun(p, &softmaxRowJob, &softmaxColumnJob,
		softmaxArgs{pool: p, dst: y, x: x, channels: channels, inner: inner}, outer)
}

// SoftmaxBackward sets dx to (dy - Σ dy·y)·y, with the sum over the channels.
// dx may be dy.
func SoftmaxBackward(p *Pool, y, dy, dx []float32, outer, channels, inner int) {
	channelCheck("SoftmaxBackward", outer, channels, inner, y, dy, dx)
	softmaxRun(p, &softmaxGradRowJob, &softmaxGradColumnJob,
		softmaxArgs{pool: p, dst: dx, x: dy, y: y, channels: channels, inner: inner}, outer)
}

func softmaxRun(p *Pool, rows, columns *parallel.Loop[softmaxArgs], a softmaxArgs, outer int) {
	if outer == 0 || a.channels == 0 || a.inner == 0 {
		return
	}
	if a.inner == 1 {
		rows.Run(p, outer, planesPerPart(a.channels), a)
		return
	}
	a.chunks = (a.inner + softmaxColumns - 1) / softmaxColumns
	columns.Run(p, outer*a.chunks, 1, a)
}

var softmaxRowJob = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		x, y := a.x[i*a.channels:(i+1)*a.channels], a.dst[i*a.channels:(i+1)*a.channels]
		vec().addScalar(y, x, -vec().max(x))
		vec().exp(y, y)
		vec().scale(float32(1/vec().sum(y)), y, y)
	}
}}

var softmaxGradRowJob = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.channels, (i+1)*a.channels
		dx, dy, y := a.dst[at:end], a.x[at:end], a.y[at:end]
		vec().addScalar(dx, dy, -float32(vec().dot(dy, y)))
		vec().mul(dx, dx, y)
	}
}}

// columns returns the index of the first number of part i and the number of its
// columns.
func (a *softmaxArgs) columns(i int) (first, n int) {
	item, lo := i/a.chunks, i%a.chunks*softmaxColumns
	return item*a.channels*a.inner + lo, min(softmaxColumns, a.inner-lo)
}

var softmaxColumnJob = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, worker, lo, hi int) {
	buf := a.pool.Scratch(worker, softmaxColumns)
	for i := lo; i < hi; i++ {
		first, n := a.columns(i)
		top := buf[:n] // first the columns' maxima, then their sums
		copy(top, a.x[first:first+n])
		for ch := range a.channels {
			at := first + ch*a.inner
			vec().maximum(top, top, a.x[at:at+n])
		}
		for ch := range a.channels {
			at := first + ch*a.inner
			vec().sub(a.dst[at:at+n], a.x[at:at+n], top)
			vec().exp(a.dst[at:at+n], a.dst[at:at+n])
		}
		clear(top)
		for ch := range a.channels {
			at := first + ch*a.inner
			vec().add(top, top, a.dst[at:at+n])
		}
		for ch := range a.channels {
			at := first + ch*a.inner
			vec().div(a.dst[at:at+n], a.dst[at:at+n], top)
		}
	}
}}

var softmaxGradColumnJob = parallel.Loop[softmaxArgs]{Body: func(a *softmaxArgs, worker, lo, hi int) {
	buf := a.pool.Scratch(worker, softmaxColumns)
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
			vec().sub(a.dst[at:at+n], a.x[at:at+n], dot)
			vec().mul(a.dst[at:at+n], a.dst[at:at+n], a.y[at:at+n])
		}
	}
}}
