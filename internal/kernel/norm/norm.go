package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Norm is a batch normalization together with the scale, shift, sum and rectifier
// that may follow it, in one pass over memory:
//
//	d = x - Mean    z = Factor·InvStd·d + Shift + Add    y = z where z > 0, Slope·z elsewhere
//
// of arrays (N,C,S). A Slope of 1 means no rectifier. Unlike x·scale + shift with the
// mean in shift, it is exact even if the mean is large compared with the standard
// deviation.
type Norm struct {
	N, C, S       int
	Factor, Shift []float32 // of each channel; nil stands for 1 and 0
	Add           []float32 // (N,C,S); nil for nothing. With it, BackwardAdd is the backward pass
	Slope, Eps    float32
	Sums          *PlaneSums // of the x of ForwardBatch; nil or without sums: it reads x

	// The statistics of each channel, of the batch or given, and the values that
	// the last pass computed from the variance: 1/√(Variance + Eps).
	Mean, Variance, InvStd []float32

	scale, shift    []float32 // Factor·InvStd, and Shift or zeros
	dFactor, offset []float32 // dx = scale·(dz + offset + dFactor·d)
	rows            []float32 // for coefficients of each element of small planes
}

// Resize sets the sizes and allocates the statistics if C has changed.
func (m *Norm) Resize(n, c, s int) {
	m.N, m.C, m.S = n, c, s
	if size := rowCoefs * c * s; s > 1 && byRows(n, s) && len(m.rows) < size {
		m.rows = make([]float32, size)
	}
	if len(m.Mean) == c {
		return
	}
	for _, v := range []*[]float32{&m.Mean, &m.Variance, &m.InvStd, &m.scale, &m.shift, &m.dFactor, &m.offset} {
		*v = make([]float32, c)
	}
}

// check panics if a slice is too short.
func (m *Norm) check(fn string, blobs ...[]float32) {
	checkBlobs(fn, m.N, m.C, m.S, blobs...)
	vec.Check(fn, len(m.Mean), m.C)
	for _, v := range [][]float32{m.Factor, m.Shift} {
		if v != nil {
			vec.Check(fn, len(v), m.C)
		}
	}
	if m.Add != nil {
		checkBlobs(fn, m.N, m.C, m.S, m.Add)
	}
}

// prepare computes the values that the passes need besides the statistics.
func (m *Norm) prepare() {
	InvStd(m.Eps, m.Variance[:m.C], m.InvStd)
	if m.Factor == nil {
		copy(m.scale, m.InvStd)
	} else {
		vec.Mul(m.InvStd, m.Factor[:m.C], m.scale)
	}
	if m.Shift == nil {
		clear(m.shift)
	} else {
		copy(m.shift, m.Shift)
	}
}

// InvStd sets invstd to 1/√(variance + eps).
func InvStd(eps float32, variance, invstd []float32) {
	active().invStd(invstd[:len(variance)], variance, eps)
}

type normArgs struct {
	*Norm
	x, dy, dst []float32
	slope      float32   // of the loops over channels: 1 with Add, which finish and gather compute
	sums, dots []float64 // of each plane, or of each column of rows
	coefs      [rowCoefs][]float32

	batch bool // the statistics are those of the batch

	dys [][]float32 // of BackwardAdd
	y   []float32
}

// rowCoefs is the number of coefficients of an element: mean, scale, shift, dFactor and offset.
const rowCoefs = 5

// setRows sets the first n coefficients of rows.
func (a *normArgs) setRows(n int) {
	for i, v := range [rowCoefs][]float32{a.Mean, a.scale, a.shift, a.dFactor, a.offset} {
		if i == n {
			break
		}
		if a.coefs[i] = v; a.S > 1 {
			row := a.rows[i*a.C*a.S:][:a.C*a.S]
			a.coefs[i] = row
			for _, f := range v[:a.C] {
				for k := range row[:a.S] {
					row[k] = f
				}
				row = row[a.S:]
			}
		}
	}
}

// Forward computes y, which may be x but not Add, with the given statistics. A nil y is
// not computed: only what Map returns.
func (m *Norm) Forward(p *parallel.Pool, x, y []float32) {
	m.check("Norm.Forward", x)
	m.prepare()
	if y == nil {
		return
	}
	m.check("Norm.Forward", y)
	a := normArgs{Norm: m, x: x, dst: y, slope: m.Slope}
	if m.Add != nil {
		a.slope = 1
	}
	if byRows(m.N, m.S) {
		a.setRows(3)
		rowForward.Run(p, m.N, planesPerPart(m.C*m.S), a)
		return
	}
	planeForward.Run(p, m.N*m.C, planesPerPart(m.S), a)
}

// ForwardBatch computes y with the mean and the biased variance of x, as
// ChannelStats returns them or from Sums.
func (m *Norm) ForwardBatch(p *parallel.Pool, x, y []float32) {
	m.check("Norm.ForwardBatch", x)
	if !m.Sums.take(m.N, m.C, m.S, m.Mean, m.Variance) {
		ChannelStats(p, m.N, m.C, m.S, x, m.Mean, m.Variance)
	}
	m.Forward(p, x, y)
}

// plane returns the channel of plane i, and the start and end of its elements.
func (m *Norm) plane(i int) (ch, at, end int) { return i % m.C, i * m.S, (i + 1) * m.S }

// row returns the start and end of the elements of item i.
func (m *Norm) row(i int) (at, end int) { return i * m.C * m.S, (i + 1) * m.C * m.S }

var planeForward = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := a.plane(i)
		active().affineReLU(a.dst[at:end], a.x[at:end], a.Mean[ch], a.scale[ch], a.shift[ch], a.slope)
	}
	a.finish(lo*a.S, hi*a.S)
}}

var rowForward = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := a.row(i)
		active().affineReLURow(a.dst[at:end], a.x[at:end], a.coefs[0], a.coefs[1], a.coefs[2], a.slope)
	}
	a.finish(lo*a.C*a.S, hi*a.C*a.S)
}}

// Backward computes the gradients of the last pass, which was ForwardBatch if
// batch is set and Forward otherwise. It sets sum and dot, which are (C), to the
// sums of dz and of dz·d over each channel, where dz, the gradient of z, is dy
// where z > 0 and Slope·dy elsewhere. They are the gradients of Shift and of
// Factor·InvStd. Unless dx is nil, it sets dx, which may be dy, to the gradient of
// x: Factor·InvStd·dz with given statistics; with those of the batch, which depend
// on every x, it is
//
//	dx = Factor·InvStd·(dz - mean(dz) - d·InvStd²·mean(dz·d))
func (m *Norm) Backward(p *parallel.Pool, batch bool, x, dy, dx []float32, sum, dot []float64) {
	m.checkBackward(x, dy, dx, sum, dot)
	m.backward(p, batch, normArgs{Norm: m, x: x, dy: dy, dst: dx, slope: m.Slope}, sum, dot)
}

func (m *Norm) checkBackward(x, dy, dx []float32, sum, dot []float64) {
	m.check("Norm.Backward", x, dy)
	vec.Check("Norm.Backward", min(len(sum), len(dot)), m.C)
	if dx != nil {
		m.check("Norm.Backward", dx)
	}
}

// backward is Backward and BackwardAdd.
func (m *Norm) backward(p *parallel.Pool, batch bool, a normArgs, sum, dot []float64) {
	if step := m.channelsPerPart(p.Threads()); step > 0 {
		a.sums, a.dots, a.batch = sum[:m.C], dot[:m.C], batch
		channelGrad.Run(p, m.C, step, a)
		return
	}
	m.sumGrad(p, batch, a, sum, dot)
	if a.dst == nil {
		return
	}
	if byRows(m.N, m.S) {
		a.setRows(rowCoefs)
		rowGrad.Run(p, m.N, planesPerPart(m.C*m.S), a)
	} else {
		planeGrad.Run(p, m.N*m.C, planesPerPart(m.S), a)
	}
}

// sumGrad computes the sums of backward and, from them, the coefficients of dx.
func (m *Norm) sumGrad(p *parallel.Pool, batch bool, a normArgs, sum, dot []float64) {
	if byRows(m.N, m.S) {
		if a.dys != nil {
			rowGather.Run(p, m.N, planesPerPart(m.C*m.S), a)
		}
		a.setRows(3)
		columns := vec.NewSums(2 * m.C * m.S)
		a.sums, a.dots = (*columns)[:m.C*m.S], (*columns)[m.C*m.S:]
		columnGradSums.Run(p, m.C*m.S, columnsPerPart, a)
		sumPlaces(a.sums, sum[:m.C])
		sumPlaces(a.dots, dot[:m.C])
		vec.FreeSums(columns)
	} else {
		planes := vec.NewSums(2 * m.N * m.C)
		a.sums, a.dots = (*planes)[:m.N*m.C], (*planes)[m.N*m.C:]
		planeGradSums.Run(p, m.N*m.C, planesPerPart(m.S), a)
		sumItems(a.sums, sum[:m.C])
		sumItems(a.dots, dot[:m.C])
		vec.FreeSums(planes)
	}
	m.prepareGrad(batch, 0, m.C, sum, dot)
}

// prepareGrad computes the coefficients of dx for the channels lo to hi-1.
func (m *Norm) prepareGrad(batch bool, lo, hi int, sum, dot []float64) {
	clear(m.dFactor[lo:hi])
	clear(m.offset[lo:hi])
	if !batch {
		return
	}
	count := float64(m.N) * float64(m.S)
	for ch := lo; ch < hi; ch++ {
		invstd := float64(m.InvStd[ch])
		m.dFactor[ch] = float32(-invstd * invstd * dot[ch] / count)
		m.offset[ch] = float32(-sum[ch] / count)
	}
}

const (
	// channelBlock is the number of elements of x and dy together that a part of channelGrad
	// reads twice: 2 MiB, which stay in the third cache.
	channelBlock = 512 << 10

	// channelRun is the least number of neighboring elements of an item from which on that
	// pays off. With fewer the processor does not get to read ahead.
	channelRun = 12 << 10
)

// channelsPerPart returns the number of channels whose gradients a part computes, so that x and
// dy come from a cache when they are read again, or 0 if that does not pay off or would be too
// few parts for the threads.
func (m *Norm) channelsPerPart(threads int) int {
	n := min(m.C/(4*threads), channelBlock/max(1, 2*m.N*m.S))
	if byRows(m.N, m.S) || n*m.S < channelRun {
		return 0
	}
	return n
}

// channelGrad computes the sums of some channels, and then dx, with the sums of planeGradSums
// to the last bit.
var channelGrad = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	clear(a.sums[lo:hi])
	clear(a.dots[lo:hi])
	for i := range a.N {
		if a.dys != nil {
			a.gather((i*a.C+lo)*a.S, (i*a.C+hi)*a.S)
		}
		for ch := lo; ch < hi; ch++ {
			sum, dot := a.gradSums(i*a.C + ch)
			a.sums[ch] += sum
			a.dots[ch] += dot
		}
	}
	if a.dst == nil {
		return
	}
	a.prepareGrad(a.batch, lo, hi, a.sums, a.dots)
	for i := range a.N {
		for ch := lo; ch < hi; ch++ {
			a.grad(i*a.C + ch)
		}
	}
}}

// gradSums returns the sums of dz and of dz·d over plane i, and grad computes its dx.
func (a *normArgs) gradSums(i int) (sum, dot float64) {
	ch, at, end := a.plane(i)
	return active().affineReLUSums(a.x[at:end], a.dy[at:end], a.Mean[ch], a.scale[ch], a.shift[ch], a.slope)
}

func (a *normArgs) grad(i int) {
	ch, at, end := a.plane(i)
	active().affineReLUGrad(a.dst[at:end], a.x[at:end], a.dy[at:end],
		a.Mean[ch], a.scale[ch], a.shift[ch], a.slope, a.dFactor[ch], a.offset[ch])
}

// gradRow computes dx of item i, a row.
func (a *normArgs) gradRow(i int) {
	at, end := a.row(i)
	c := &a.coefs
	active().affineReLUGradRow(a.dst[at:end], a.x[at:end], a.dy[at:end], c[0], c[1], c[2], c[3], c[4], a.slope)
}

var planeGradSums = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	if a.dys != nil {
		a.gather(lo*a.S, hi*a.S)
	}
	for i := lo; i < hi; i++ {
		a.sums[i], a.dots[i] = a.gradSums(i)
	}
}}

var planeGrad = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.grad(i)
	}
}}

var columnGradSums = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	clear(a.sums[lo:hi])
	clear(a.dots[lo:hi])
	c := &a.coefs
	for i := range a.N {
		row, _ := a.row(i)
		at, end := row+lo, row+hi
		active().affineReLUSumsRow(a.x[at:end], a.dy[at:end], c[0][lo:hi], c[1][lo:hi], c[2][lo:hi], a.slope, a.sums[lo:hi], a.dots[lo:hi])
	}
}}

var rowGrad = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.gradRow(i)
	}
}}
