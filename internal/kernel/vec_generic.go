package kernel

import "math"

// vecGeneric is the implementation in plain Go. It runs everywhere, and the
// tests measure the others against it.
//
// The conversions to float32 of products keep compilers for other processors
// from fusing a multiplication with an addition.
var vecGeneric = vecOps{
	fill:       fillGeneric,
	axpy:       axpyGeneric,
	axpby:      axpbyGeneric,
	scale:      scaleGeneric,
	addScalar:  addScalarGeneric,
	add:        addGeneric,
	sub:        subGeneric,
	mul:        mulGeneric,
	div:        divGeneric,
	maximum:    maximumGeneric,
	mulAdd:     mulAddGeneric,
	scaleShift: scaleShiftGeneric,
	normalize:  normalizeGeneric,
	relu:       reluGeneric,
	reluGrad:   reluGradGeneric,
	exp:        expGeneric,
	sigmoid:    sigmoidGeneric,
	tanh:       tanhGeneric,

	sum:          sumGeneric,
	asum:         asumGeneric,
	sumSq:        sumSqGeneric,
	sumAndSq:     sumAndSqGeneric,
	dot:          dotGeneric,
	sumDot:       sumDotGeneric,
	max:          maxGeneric,
	anyNonFinite: anyNonFiniteGeneric,

	bnBackward: bnBackwardGeneric,

	normRectify:     normRectifyGeneric,
	normRectifySums: normRectifySumsGeneric,
	normRectifyGrad: normRectifyGradGeneric,

	normRectifyRow:     normRectifyRowGeneric,
	normRectifySumsRow: normRectifySumsRowGeneric,
	normRectifyGradRow: normRectifyGradRowGeneric,

	prefetch:    func([]float32) {},
	mulAxpy:     mulAxpyGeneric,
	sumRows:     sumRowsGeneric,
	sumSqRows:   sumSqRowsGeneric,
	lrnForward:  lrnForwardGeneric,
	lrnGradient: lrnGradientGeneric,

	maxPoolRow:    maxPoolRowGeneric,
	avePoolRow:    avePoolRowGeneric,
	dropoutBlocks: dropoutBlocksGeneric,

	lanes:               1,
	pixels:              pixelsGeneric,
	pixelsMirrored:      pixelsMirroredGeneric,
	pixelsMeans:         pixelsMeansGeneric,
	pixelsMeansMirrored: pixelsMeansMirroredGeneric,

	sgd:      sgdGeneric,
	nesterov: nesterovGeneric,
	adagrad:  adagradGeneric,
	rmsprop:  rmspropGeneric,
	adadelta: adadeltaGeneric,
	adam:     adamGeneric,
}

func fillGeneric(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}

func axpyGeneric(alpha float32, x, y []float32) {
	for i, v := range x {
		y[i] += float32(alpha * v)
	}
}

func axpbyGeneric(alpha float32, x []float32, beta float32, y []float32) {
	for i, v := range x {
		y[i] = float32(alpha*v) + float32(beta*y[i])
	}
}

// axpySign adds alpha times the sign of x to y. A NaN counts as 0, as in
// Caffe's caffe_sign.
func axpySign(alpha float32, x, y []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			y[i] += alpha
		case v < 0:
			y[i] -= alpha
		}
	}
}

func scaleGeneric(alpha float32, x, dst []float32) {
	for i, v := range x {
		dst[i] = alpha * v
	}
}

func addScalarGeneric(dst, x []float32, v float32) {
	for i := range dst {
		dst[i] = x[i] + v
	}
}

func addGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func subGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func divGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

// maximumGeneric sets dst to b where b > a and to a elsewhere.
func maximumGeneric(dst, a, b []float32) {
	for i := range dst {
		v := a[i]
		if b[i] > v {
			v = b[i]
		}
		dst[i] = v
	}
}

// mulAddGeneric sets dst to x·a + b.
func mulAddGeneric(dst, x, a, b []float32) {
	for i := range dst {
		dst[i] = float32(x[i]*a[i]) + b[i]
	}
}

func scaleShiftGeneric(dst, x []float32, scale, shift float32) {
	for i := range dst {
		dst[i] = float32(x[i]*scale) + shift
	}
}

// normalizeGeneric sets dst to (x - mean)·invstd.
func normalizeGeneric(dst, x []float32, mean, invstd float32) {
	for i := range dst {
		dst[i] = (x[i] - mean) * invstd
	}
}

func reluGeneric(dst, x []float32, slope float32) {
	for i := range dst {
		v := x[i]
		if !(v > 0) {
			v = float32(slope*v) + 0 // not -0
		}
		dst[i] = v
	}
}

func reluGradGeneric(dx, x, dy []float32, slope float32) {
	for i := range dx {
		var f float32
		if x[i] > 0 {
			f = 1
		} else if x[i] <= 0 {
			f = slope
		}
		dx[i] = dy[i] * f
	}
}

func expGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = float32(math.Exp(float64(x[i])))
	}
}

func sigmoidGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = float32(0.5*float32(math.Tanh(float64(0.5*x[i])))) + 0.5
	}
}

func tanhGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = float32(math.Tanh(float64(x[i])))
	}
}

// Each reduction keeps four sums, so that an addition need not wait for the
// one before.

func sumGeneric(x []float32) float64 {
	var s0, s1, s2, s3 float64
	for len(x) >= 4 {
		s0 += float64(x[0])
		s1 += float64(x[1])
		s2 += float64(x[2])
		s3 += float64(x[3])
		x = x[4:]
	}
	for _, v := range x {
		s0 += float64(v)
	}
	return (s0 + s1) + (s2 + s3)
}

func asumGeneric(x []float32) float64 {
	var s0, s1, s2, s3 float64
	for len(x) >= 4 {
		s0 += math.Abs(float64(x[0]))
		s1 += math.Abs(float64(x[1]))
		s2 += math.Abs(float64(x[2]))
		s3 += math.Abs(float64(x[3]))
		x = x[4:]
	}
	for _, v := range x {
		s0 += math.Abs(float64(v))
	}
	return (s0 + s1) + (s2 + s3)
}

func sumSqGeneric(x []float32) float64 { return dotGeneric(x, x) }

// sumAndSqGeneric returns the sums of x and of x².
func sumAndSqGeneric(x []float32) (sum, sq float64) {
	var s, q [2]float64
	for i, v := range x {
		s[i%2] += float64(v)
		q[i%2] += float64(v) * float64(v)
	}
	return s[0] + s[1], q[0] + q[1]
}

func dotGeneric(a, b []float32) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += float64(a[0]) * float64(b[0])
		s1 += float64(a[1]) * float64(b[1])
		s2 += float64(a[2]) * float64(b[2])
		s3 += float64(a[3]) * float64(b[3])
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += float64(v) * float64(b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// sumDotGeneric returns the sum of a and the inner product of a and b.
func sumDotGeneric(a, b []float32) (sum, dot float64) {
	var s0, s1, d0, d1 float64
	for len(a) >= 2 && len(b) >= 2 {
		u, v := float64(a[0]), float64(a[1])
		s0 += u
		s1 += v
		d0 += u * float64(b[0])
		d1 += v * float64(b[1])
		a, b = a[2:], b[2:]
	}
	for i, v := range a {
		s0 += float64(v)
		d0 += float64(v) * float64(b[i])
	}
	return s0 + s1, d0 + d1
}

func maxGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

func anyNonFiniteGeneric(x []float32) bool {
	for _, v := range x {
		if v-v != 0 { // Inf - Inf and NaN - NaN are NaN
			return true
		}
	}
	return false
}

// bnBackwardGeneric sets dx to (dy - meanDy - meanDyX·xnorm)·invstd.
func bnBackwardGeneric(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32) {
	for i := range dx {
		dx[i] = (dy[i] - meanDy - float32(meanDyX*xnorm[i])) * invstd
	}
}

// mulAxpyGeneric adds alpha·a·b to y.
func mulAxpyGeneric(alpha float32, a, b, y []float32) {
	for i := range y {
		y[i] += float32(float32(alpha*a[i]) * b[i])
	}
}

// sumRowsGeneric adds the rows x[r·stride:], of as many numbers as dst, and
// sets dst to the sum.
func sumRowsGeneric(dst, x []float32, stride, rows int) {
	clear(dst)
	for r := range rows {
		addGeneric(dst, dst, x[r*stride:])
	}
}

// sumSqRowsGeneric is sumRowsGeneric of the squares.
func sumSqRowsGeneric(dst, x []float32, stride, rows int) {
	clear(dst)
	for r := range rows {
		for i, v := range x[r*stride:][:len(dst)] {
			dst[i] += float32(v * v)
		}
	}
}

// lrnForwardGeneric sets y to x·(k + alpha·m)^-0.75.
func lrnForwardGeneric(y, x, m []float32, alpha, k float32) {
	for i := range y {
		y[i] = x[i] * cube(lrnFourthRoot(m[i], alpha, k))
	}
}

// lrnGradientGeneric sets dx to dy·(k + alpha·m)^-0.75 and r to
// dy·x·(k + alpha·m)^-1.75.
func lrnGradientGeneric(dx, r, dy, x, m []float32, alpha, k float32) {
	for i := range dx {
		w := lrnFourthRoot(m[i], alpha, k)
		d := dy[i] * cube(w)
		r[i] = d * x[i] * (w * cube(w))
		dx[i] = d
	}
}

// lrnFourthRoot returns (k + alpha·m)^-¼, with the sum brought into the range
// 2^-72 to 2^72 so that no power of the result that LRN needs overflows.
func lrnFourthRoot(m, alpha, k float32) float32 {
	scale := max(0x1p-72, min(0x1p72, float32(alpha*m)+k))
	return float32(1 / math.Sqrt(math.Sqrt(float64(scale))))
}

func cube(x float32) float32 { return x * x * x }

// maxPoolRowGeneric computes len(y) maxima of windows that lie inside the
// plane, stride columns apart: x starts at the first window's first element,
// whose index in the plane is first.
func maxPoolRowGeneric(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	for i := range y {
		y[i], mask[i] = maxWindow(x[i*stride:], width, kh, kw, first+i*stride)
	}
}

// maxWindow returns the largest element of the kh·kw window at the start of x
// and its index, if that of x[0] is first. Of equal ones it takes the first,
// and nothing at or below -MaxFloat32: as Caffe's pooling_layer.cpp.
func maxWindow(x []float32, width, kh, kw, first int) (float32, int32) {
	best, at := float32(-math.MaxFloat32), int32(-1)
	for h := range kh {
		for w, v := range x[h*width : h*width+kw] {
			if v > best {
				best, at = v, int32(first+h*width+w)
			}
		}
	}
	return best, at
}

// avePoolRowGeneric is maxPoolRowGeneric with the windows' sums over size.
func avePoolRowGeneric(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	for i := range y {
		y[i] = sumWindow(x[i*stride:], width, kh, kw) / size
	}
}

func sumWindow(x []float32, width, kh, kw int) float32 {
	var sum float32
	for h := range kh {
		for _, v := range x[h*width : h*width+kw] {
			sum += v
		}
	}
	return sum
}

// pixelsGeneric sets dst to (x - mean)·scale.
func pixelsGeneric(dst []float32, x []byte, mean, scale float32) {
	for i := range dst {
		dst[i] = (float32(x[i]) - mean) * scale
	}
}

// pixelsMirroredGeneric is pixelsGeneric from the last number to the first.
func pixelsMirroredGeneric(dst []float32, x []byte, mean, scale float32) {
	for i := range dst {
		dst[len(dst)-1-i] = (float32(x[i]) - mean) * scale
	}
}

// pixelsMeansGeneric sets dst to (x - means)·scale.
func pixelsMeansGeneric(dst []float32, x []byte, means []float32, scale float32) {
	for i := range dst {
		dst[i] = (float32(x[i]) - means[i]) * scale
	}
}

// pixelsMeansMirroredGeneric is pixelsMeansGeneric from the last number to the
// first.
func pixelsMeansMirroredGeneric(dst []float32, x []byte, means []float32, scale float32) {
	for i := range dst {
		dst[len(dst)-1-i] = (float32(x[i]) - means[i]) * scale
	}
}

func sgdGeneric(diff, history []float32, rate, momentum float32) {
	for i, g := range diff {
		h := float32(rate*g) + float32(momentum*history[i])
		history[i], diff[i] = h, h
	}
}

func nesterovGeneric(diff, history []float32, rate, momentum float32) {
	for i, g := range diff {
		old := history[i]
		h := float32(rate*g) + float32(momentum*old)
		history[i] = h
		diff[i] = float32((1+momentum)*h) - float32(momentum*old)
	}
}

func adagradGeneric(diff, history []float32, rate, delta float32) {
	for i, g := range diff {
		h := history[i] + float32(g*g)
		history[i] = h
		diff[i] = rate * (g / (sqrt32(h) + delta))
	}
}

func rmspropGeneric(diff, history []float32, rate, decay, delta float32) {
	for i, g := range diff {
		h := float32((1-decay)*float32(g*g)) + float32(decay*history[i])
		history[i] = h
		diff[i] = rate * (g / (sqrt32(h) + delta))
	}
}

func adadeltaGeneric(diff, gradients, updates []float32, rate, momentum, delta float32) {
	for i, g := range diff {
		h := float32((1-momentum)*float32(g*g)) + float32(momentum*gradients[i])
		gradients[i] = h
		u := g * sqrt32((delta+updates[i])/(delta+h))
		updates[i] = float32((1-momentum)*float32(u*u)) + float32(momentum*updates[i])
		diff[i] = rate * u
	}
}

func adamGeneric(diff, m, v []float32, rate, beta1, beta2, epsHat float32) {
	for i, g := range diff {
		mi := float32((1-beta1)*g) + float32(beta1*m[i])
		vi := float32((1-beta2)*float32(g*g)) + float32(beta2*v[i])
		m[i], v[i] = mi, vi
		diff[i] = rate * (mi / (sqrt32(vi) + epsHat))
	}
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
