package norm

import "math"

// mulAxpyGeneric adds alpha·a·b to y.
func mulAxpyGeneric(alpha float32, a, b, y []float32) {
	for i := range y {
		y[i] += float32(float32(alpha*a[i]) * b[i])
	}
}

// sumRowsGeneric sets dst to the sum of the rows x[r·stride:], which have len(dst)
// elements.
func sumRowsGeneric(dst, x []float32, stride, rows int) {
	clear(dst)
	for r := range rows {
		for i, v := range x[r*stride:][:len(dst)] {
			dst[i] += v
		}
	}
}

// sumSqRowsGeneric is sumRowsGeneric for the squares.
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

// lrnGradGeneric sets dx to dy·(k + alpha·m)^-0.75 and ratio to
// dy·x·(k + alpha·m)^-1.75.
func lrnGradGeneric(dx, ratio, dy, x, m []float32, alpha, k float32) {
	for i := range dx {
		w := lrnFourthRoot(m[i], alpha, k)
		d := dy[i] * cube(w)
		ratio[i] = d * x[i] * (w * cube(w))
		dx[i] = d
	}
}

// lrnFourthRoot returns (k + alpha·m)^-¼. The sum is clamped to the range from 2^-72 to
// 2^72, so no power that LRN needs overflows.
func lrnFourthRoot(m, alpha, k float32) float32 {
	scale := max(0x1p-72, min(0x1p72, float32(alpha*m)+k))
	return float32(1 / math.Sqrt(math.Sqrt(float64(scale))))
}

func cube(x float32) float32 { return x * x * x }
