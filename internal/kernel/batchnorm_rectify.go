package kernel

// A Norm is a normalization of each channel with the multiplication, addition
// and rectifier that may follow it, in one pass:
//
//	d = x - mean    z = scale·d + shift    y = z where z > 0, slope·z elsewhere
//
// of N items of C channels of S numbers. A slope of 1 is no rectifier. Unlike
// z = scale·x + (shift - scale·mean) this loses nothing where the mean is large
// against the standard deviation.
type Norm struct {
	N, C, S            int
	Mean, Scale, Shift []float32 // of each channel
	Slope              float32
}

// check panics if a slice is too short.
func (m *Norm) check(fn string, blobs ...[]float32) {
	channelCheck(fn, m.N, m.C, m.S, blobs...)
	vecCheck(fn, min(len(m.Mean), len(m.Scale), len(m.Shift)), m.C)
}

type normArgs struct {
	*Norm
	dst, x, dy    []float32
	ofD, constant []float32 // of each channel
	sums, dots    []float64 // of each plane, or channel if S is 1
}

// Forward computes y, which may be x.
func (m *Norm) Forward(p *Pool, y, x []float32) {
	m.check("Norm.Forward", y, x)
	a := normArgs{Norm: m, dst: y, x: x}
	if m.S == 1 {
		rowNormJob.run(p, m.N, planesPerPart(m.C), a)
		return
	}
	planeNormJob.run(p, m.N*m.C, planesPerPart(m.S), a)
}

var planeNormJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := i%a.C, i*a.S, (i+1)*a.S
		vec().normRectify(a.dst[at:end], a.x[at:end], a.Mean[ch], a.Scale[ch], a.Shift[ch], a.Slope)
	}
}}

var rowNormJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.C, (i+1)*a.C
		vec().normRectifyRow(a.dst[at:end], a.x[at:end], a.Mean, a.Scale, a.Shift, a.Slope)
	}
}}

// Sums sets sum and dot, of C numbers, to the sums of dz and of dz·d over the
// items and places of each channel, where dz is the gradient of z: dy where
// z > 0 and slope·dy elsewhere. They are the gradients of shift and scale.
func (m *Norm) Sums(p *Pool, sum, dot []float64, x, dy []float32) {
	m.check("Norm.Sums", x, dy)
	vecCheck("Norm.Sums", min(len(sum), len(dot)), m.C)
	a := normArgs{Norm: m, x: x, dy: dy, sums: sum[:m.C], dots: dot[:m.C]}
	if m.S == 1 {
		columnNormSumsJob.run(p, m.C, columnsPerPart, a)
		return
	}
	planes := newPartials(2 * m.N * m.C)
	a.sums, a.dots = (*planes)[:m.N*m.C], (*planes)[m.N*m.C:]
	planeNormSumsJob.run(p, m.N*m.C, planesPerPart(m.S), a)
	sumItems(sum[:m.C], a.sums)
	sumItems(dot[:m.C], a.dots)
	freePartials(planes)
}

var planeNormSumsJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := i%a.C, i*a.S, (i+1)*a.S
		a.sums[i], a.dots[i] = vec().normRectifySums(a.x[at:end], a.dy[at:end], a.Mean[ch], a.Scale[ch], a.Shift[ch], a.Slope)
	}
}}

var columnNormSumsJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	clear(a.sums[lo:hi])
	clear(a.dots[lo:hi])
	for i := range a.N {
		at, end := i*a.C+lo, i*a.C+hi
		vec().normRectifySumsRow(a.x[at:end], a.dy[at:end], a.Mean[lo:hi], a.Scale[lo:hi], a.Shift[lo:hi], a.Slope, a.sums[lo:hi], a.dots[lo:hi])
	}
}}

// Backward sets dx, which may be dy, to scale·(dz + constant + ofD·d), with ofD
// and constant of each channel and dz as in Sums.
func (m *Norm) Backward(p *Pool, dx, x, dy, ofD, constant []float32) {
	m.check("Norm.Backward", dx, x, dy)
	vecCheck("Norm.Backward", min(len(ofD), len(constant)), m.C)
	a := normArgs{Norm: m, dst: dx, x: x, dy: dy, ofD: ofD, constant: constant}
	if m.S == 1 {
		rowNormGradJob.run(p, m.N, planesPerPart(m.C), a)
		return
	}
	planeNormGradJob.run(p, m.N*m.C, planesPerPart(m.S), a)
}

var planeNormGradJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		ch, at, end := i%a.C, i*a.S, (i+1)*a.S
		vec().normRectifyGrad(a.dst[at:end], a.x[at:end], a.dy[at:end],
			a.Mean[ch], a.Scale[ch], a.Shift[ch], a.Slope, a.ofD[ch], a.constant[ch])
	}
}}

var rowNormGradJob = job[normArgs]{f: func(a *normArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		at, end := i*a.C, (i+1)*a.C
		vec().normRectifyGradRow(a.dst[at:end], a.x[at:end], a.dy[at:end], a.Mean, a.Scale, a.Shift, a.ofD, a.constant, a.Slope)
	}
}}
