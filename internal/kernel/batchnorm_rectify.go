package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

// A Norm is a batch normalization with the multiplication, addition and
// rectifier that may follow it, all in one pass:
//
//	d = x - Mean    z = Factor·InvStd·d + Shift    y = z where z > 0, Slope·z elsewhere
//
// of N items of C channels of S numbers. A Slope of 1 is no rectifier. Unlike
// x·scale + shift with the mean in shift this loses nothing where the mean is
// large against the standard deviation.
type Norm struct {
	N, C, S       int
	Factor, Shift []float32 // of each channel; nil is 1 and 0
	Slope, Eps    float32

	// The statistics of each channel, of the batch or given, and what the last
	// pass has made of the variance: 1/√(Variance + Eps).
	Mean, Variance, InvStd []float32

	scale, shift  []float32 // Factor·InvStd, and Shift or zeros
	ofD, constant []float32 // dx = scale·(dz + constant + ofD·d)
}

// Resize sets the sizes and makes room for the statistics.
func (m *Norm) Resize(n, c, s int) {
	m.N, m.C, m.S = n, c, s
	if len(m.Mean) == c {
		return
	}
	for _, v := range []*[]float32{&m.Mean, &m.Variance, &m.InvStd, &m.scale, &m.shift, &m.ofD, &m.constant} {
		*v = make([]float32, c)
	}
}

// check panics if a slice is too short.
func (m *Norm) check(fn string, blobs ...[]float32) {
	channelCheck(fn, m.N, m.C, m.S, blobs...)
	vecCheck(fn, len(m.Mean), m.C)
	for _, v := range [][]float32{m.Factor, m.Shift} {
		if v != nil {
			vecCheck(fn, len(v), m.C)
		}
	}
}

// prepare finds what the passes need to know beside the statistics.
func (m *Norm) prepare() {
	for ch := range m.C {
		m.InvStd[ch] = float32(1 / math.Sqrt(float64(m.Variance[ch]+m.Eps)))
		m.scale[ch], m.shift[ch] = m.InvStd[ch], 0
		if m.Factor != nil {
			m.scale[ch] *= m.Factor[ch]
		}
		if m.Shift != nil {
			m.shift[ch] = m.Shift[ch]
		}
	}
}

type normArgs struct {
	*Norm
	dst, x, dy []float32
	sums, dots []float64 // of each plane, or of each channel if S is 1
}

// Forward computes y, which may be x, with the statistics given.
func (m *Norm) Forward(p *Pool, y, x []float32) {
	m.check("Norm.Forward", y, x)
	m.prepare()
	a := normArgs{Norm: m, dst: y, x: x}
	if m.S == 1 {
		rowNormJob.Run(p, m.N, planesPerPart(m.C), a)
		return
	}
	planeNormJob.Run(p, m.N*m.C, planesPerPart(m.S), a)
}

// ForwardBatch computes y with the mean and the biased variance of x, as
// BatchNormStats has them.
func (m *Norm) ForwardBatch(p *Pool, y, x []float32) {
	m.check("Norm.ForwardBatch", y, x)
	BatchNormStats(p, x, m.Mean, m.Variance, m.N, m.C, m.S)
	m.Forward(p, y, x)
}

// plane returns the channel of a plane and where its numbers are.
func (m *Norm) plane(i int) (ch, at, end int) { return i % m.C, i * m.S, (i + 1) * m.S }

var planeNormJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		vec().normRectify(a.dst[at:end], a.x[at:end], a.Mean[ch], a.scale[ch], a.shift[ch], a.Slope)
	}
}}

var rowNormJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.C, (i+1)*a.C
		vec().normRectifyRow(a.dst[at:end], a.x[at:end], a.Mean, a.scale, a.shift, a.Slope)
	}
}}

// Backward computes the gradient of x through the pass that Forward, or with
// batch ForwardBatch, was the last to make. It sets sum and dot, of C numbers,
// to the sums of dz and of dz·d over the items and places of each channel, where
// dz is the gradient of z: dy where z > 0 and Slope·dy elsewhere. They are the
// gradients of Shift and of Factor·InvStd. Unless dx is nil it sets dx, which may
// be dy, to the gradient of x: Factor·InvStd·dz with statistics that are given,
// and with those of the batch, which every x moves,
//
//	dx = Factor·InvStd·(dz - mean(dz) - d·InvStd²·mean(dz·d))
func (m *Norm) Backward(p *Pool, dx, x, dy []float32, sum, dot []float64, batch bool) {
	m.check("Norm.Backward", x, dy)
	vecCheck("Norm.Backward", min(len(sum), len(dot)), m.C)
	if dx != nil {
		m.check("Norm.Backward", dx)
	}
	a := normArgs{Norm: m, dst: dx, x: x, dy: dy, sums: sum[:m.C], dots: dot[:m.C]}
	if m.S == 1 {
		columnNormSumsJob.Run(p, m.C, columnsPerPart, a)
	} else {
		planes := newPartials(2 * m.N * m.C)
		a.sums, a.dots = (*planes)[:m.N*m.C], (*planes)[m.N*m.C:]
		planeNormSumsJob.Run(p, m.N*m.C, planesPerPart(m.S), a)
		sumItems(sum[:m.C], a.sums)
		sumItems(dot[:m.C], a.dots)
		freePartials(planes)
	}
	if dx == nil {
		return
	}
	m.factors(sum, dot, batch)
	if m.S == 1 {
		rowNormGradJob.Run(p, m.N, planesPerPart(m.C), a)
	} else {
		planeNormGradJob.Run(p, m.N*m.C, planesPerPart(m.S), a)
	}
}

// factors finds what dx is made of.
func (m *Norm) factors(sum, dot []float64, batch bool) {
	clear(m.ofD)
	clear(m.constant)
	if !batch {
		return
	}
	count := float64(m.N) * float64(m.S)
	for ch := range m.C {
		invstd := float64(m.InvStd[ch])
		m.ofD[ch] = float32(-invstd * invstd * dot[ch] / count)
		m.constant[ch] = float32(-sum[ch] / count)
	}
}

var planeNormSumsJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		a.sums[i], a.dots[i] = vec().normRectifySums(a.x[at:end], a.dy[at:end], a.Mean[ch], a.scale[ch], a.shift[ch], a.Slope)
	}
}}

var planeNormGradJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		vec().normRectifyGrad(a.dst[at:end], a.x[at:end], a.dy[at:end],
			a.Mean[ch], a.scale[ch], a.shift[ch], a.Slope, a.ofD[ch], a.constant[ch])
	}
}}

var columnNormSumsJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	clear(a.sums[lo:hi])
	clear(a.dots[lo:hi])
	for i := range a.N {
		at, end := i*a.C+lo, i*a.C+hi
		vec().normRectifySumsRow(a.x[at:end], a.dy[at:end], a.Mean[lo:hi], a.scale[lo:hi], a.shift[lo:hi], a.Slope, a.sums[lo:hi], a.dots[lo:hi])
	}
}}

var rowNormGradJob = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.C, (i+1)*a.C
		vec().normRectifyGradRow(a.dst[at:end], a.x[at:end], a.dy[at:end], a.Mean, a.scale, a.shift, a.ofD, a.constant, a.Slope)
	}
}}
