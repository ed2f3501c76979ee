package norm

import "math"

// generic is the implementation in plain Go. As in package vec, the conversions of
// products to float32 keep compilers from fusing them with an addition.
var generic = ops{
	normalize:     normalizeGeneric,
	invStd:        invStdGeneric,
	normalizeGrad: normalizeGradGeneric,
	sumAndSquares: sumAndSquaresGeneric,
	sumAndDot:     sumAndDotGeneric,
	columnSums:    columnSumsGeneric,

	affineReLU:     affineReLUGeneric,
	affineReLUSums: affineReLUSumsGeneric,
	affineReLUGrad: affineReLUGradGeneric,

	affineReLUVectors: affineReLUVectorsGeneric,
	sumVectors:        sumVectorsGeneric,
	affineReLURow:     affineReLURowGeneric,
	affineReLUSumsRow: affineReLUSumsRowGeneric,
	affineReLUGradRow: affineReLUGradRowGeneric,

	prefetch:   func([]float32) {},
	mulAxpy:    mulAxpyGeneric,
	sumRows:    sumRowsGeneric,
	sumSqRows:  sumSqRowsGeneric,
	lrnForward: lrnForwardGeneric,
	lrnGrad:    lrnGradGeneric,
}

// normalizeGeneric sets dst to (x - mean)·invstd.
func normalizeGeneric(dst, x []float32, mean, invstd float32) {
	for i := range dst {
		dst[i] = (x[i] - mean) * invstd
	}
}

// invStdGeneric sets dst to 1/√(variance + eps).
func invStdGeneric(dst, variance []float32, eps float32) {
	for i, v := range variance {
		dst[i] = float32(1 / math.Sqrt(float64(v+eps)))
	}
}

// normalizeGradGeneric sets dx to (dy - meanDy - meanDyX·xnorm)·invstd.
func normalizeGradGeneric(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32) {
	for i := range dx {
		dx[i] = (dy[i] - meanDy - float32(meanDyX*xnorm[i])) * invstd
	}
}

// sumAndSquaresGeneric returns the sums of x and of x².
func sumAndSquaresGeneric(x []float32) (sum, sq float64) {
	var s, q [2]float64
	for i, v := range x {
		s[i%2] += float64(v)
		q[i%2] += float64(v) * float64(v)
	}
	return s[0] + s[1], q[0] + q[1]
}

// sumVectorsGeneric adds the vectors in x to first and second in turn, which are the sums of the
// lanes, followed by those of the squares.
func sumVectorsGeneric(x []float32, first, second []float64) {
	lanes := len(first) / 2
	for i, v := range x {
		sums, lane, d := first, i%lanes, float64(v)
		if i/lanes%2 == 1 {
			sums = second
		}
		sums[lane] += d
		sums[lanes+lane] += d * d // exact, so that it may be fused with the addition
	}
}

// sumAndDotGeneric returns the sum of a and the inner product of a and b.
func sumAndDotGeneric(a, b []float32) (sum, dot float64) {
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

// columnSumsGeneric sets sum to the sums of the columns of a and dot to the inner products of the
// columns of a and b.
func columnSumsGeneric(a, b []float32, stride, rows int, sum, dot []float64) {
	clear(sum)
	clear(dot)
	for r := range rows {
		x, y := a[r*stride:][:len(sum)], b[r*stride:][:len(sum)]
		for j, v := range x {
			sum[j] += float64(v)
			dot[j] += float64(v) * float64(y[j]) // exact, so that it may be fused with the addition
		}
	}
}

// The following functions all use the same formula to decide whether z = scale·d + shift,
// with d = x - mean, is above zero.

// affineReLUGeneric sets dst to z where z > 0 and to slope·z elsewhere.
func affineReLUGeneric(dst, x []float32, mean, scale, shift, slope float32) {
	for i := range dst {
		z := float32(scale*(x[i]-mean)) + shift
		if !(z > 0) {
			z = float32(slope*z) + 0 // not -0
		}
		dst[i] = z
	}
}

// affineReLUSumsGeneric returns the sums of dz and of dz·d, where dz is dy
// where z > 0 and slope·dy elsewhere.
func affineReLUSumsGeneric(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64) {
	var s [2]float64
	var p [2]float64
	for i, v := range x {
		d, dz := v-mean, dy[i]
		if !(float32(scale*d)+shift > 0) {
			dz *= slope
		}
		s[i%2] += float64(dz)
		p[i%2] += float64(dz) * float64(d)
	}
	return s[0] + s[1], p[0] + p[1]
}

// affineReLUGradGeneric sets dst to scale·(dz + offset + dFactor·d), with dz as in
// affineReLUSumsGeneric.
func affineReLUGradGeneric(dst, x, dy []float32, mean, scale, shift, slope, dFactor, offset float32) {
	for i := range dst {
		d, dz := x[i]-mean, dy[i]
		if !(float32(scale*d)+shift > 0) {
			dz *= slope
		}
		dst[i] = (dz + offset + float32(dFactor*d)) * scale
	}
}

// The functions for rows have a mean, scale and shift for each element.

// affineReLURowGeneric is affineReLUGeneric for a row.
func affineReLURowGeneric(dst, x, mean, scale, shift []float32, slope float32) {
	for i := range dst {
		z := float32(scale[i]*(x[i]-mean[i])) + shift[i]
		if !(z > 0) {
			z = float32(slope*z) + 0 // not -0
		}
		dst[i] = z
	}
}

// affineReLUVectorsGeneric computes affineReLURowGeneric of each vector of x, in place.
func affineReLUVectorsGeneric(x, mean, scale, shift []float32, slope float32) {
	for n := len(mean); len(x) > 0; x = x[n:] {
		affineReLURowGeneric(x[:n], x[:n], mean, scale, shift, slope)
	}
}

// affineReLUSumsRowGeneric adds dz to sum and dz·d to dot, with dz and d as in
// affineReLUSumsGeneric.
func affineReLUSumsRowGeneric(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64) {
	for i, v := range x {
		d, dz := v-mean[i], dy[i]
		if !(float32(scale[i]*d)+shift[i] > 0) {
			dz *= slope
		}
		sum[i] += float64(dz)
		dot[i] += float64(dz) * float64(d)
	}
}

// affineReLUGradRowGeneric is affineReLUGradGeneric for a row.
func affineReLUGradRowGeneric(dst, x, dy, mean, scale, shift, dFactor, offset []float32, slope float32) {
	for i := range dst {
		d, dz := x[i]-mean[i], dy[i]
		if !(float32(scale[i]*d)+shift[i] > 0) {
			dz *= slope
		}
		dst[i] = (dz + offset[i] + float32(dFactor[i]*d)) * scale[i]
	}
}
