package vec

import "math"

// generic is the implementation in plain Go. It runs everywhere, and the tests compare
// the others with it.
//
// The conversions to float32 of products keep compilers for other processors
// from fusing a multiplication with an addition.
var generic = ops{
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
	relu:       reluGeneric,
	reluGrad:   reluGradGeneric,
	abs:        absGeneric,
	exp:        expGeneric,
	log:        logGeneric,
	sigmoid:    sigmoidGeneric,
	tanh:       tanhGeneric,
	bnll:       bnllGeneric,
	bnllGrad:   bnllGradGeneric,
	elu:        eluGeneric,
	eluGrad:    eluGradGeneric,
	swish:      swishGeneric,
	swishGrad:  swishGradGeneric,
	clip:       clipGeneric,
	clipGrad:   clipGradGeneric,

	sum:          sumGeneric,
	asum:         asumGeneric,
	sumSq:        sumSqGeneric,
	dot:          dotGeneric,
	max:          maxGeneric,
	anyNonFinite: anyNonFiniteGeneric,
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

func absGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = float32(math.Abs(float64(x[i])))
	}
}

func logGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = float32(math.Log(float64(x[i])))
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

// Each sum has four parts, so an addition need not wait for the previous one.

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
