//go:build !noasm

package kernel

import "math"

var vecAVX2 = vecOps{
	fill:       fillAVX2,
	axpy:       axpyAVX2,
	axpby:      axpbyAVX2,
	scale:      scaleAVX2,
	addScalar:  addScalarAVX2,
	add:        addAVX2,
	sub:        subAVX2,
	mul:        mulAVX2,
	div:        divAVX2,
	maximum:    maximumAVX2,
	mulAdd:     mulAddAVX2,
	scaleShift: scaleShiftAVX2,
	normalize:  normalizeAVX2,
	relu:       reluAVX2,
	reluGrad:   reluGradAVX2,
	exp:        expAVX2,
	sigmoid:    sigmoidAVX2,
	tanh:       tanhAVX2,

	sum:          sumAVX2,
	asum:         asumAVX2,
	sumSq:        sumSqAVX2,
	sumAndSq:     sumAndSqAVX2,
	dot:          dotAVX2,
	sumDot:       sumDotAVX2,
	max:          maxAVX2,
	anyNonFinite: anyNonFiniteAVX2,

	bnBackward: bnBackwardAVX2,

	normRectify:     normRectifyAVX2,
	normRectifySums: normRectifySumsAVX2,
	normRectifyGrad: normRectifyGradAVX2,

	normRectifyRow:     normRectifyRowAVX2,
	normRectifySumsRow: normRectifySumsRowAVX2,
	normRectifyGradRow: normRectifyGradRowAVX2,

	prefetch:    prefetchAVX2,
	mulAxpy:     mulAxpyAVX2,
	sumRows:     sumRowsAVX2,
	sumSqRows:   sumSqRowsAVX2,
	lrnForward:  lrnForwardAVX2,
	lrnGradient: lrnGradientAVX2,

	lrnWithin3:         lrnWithin3AVX2,
	lrnWithin3Gradient: lrnWithin3GradientAVX2,
	lrnWithin3Spread:   lrnWithin3SpreadAVX2,

	maxPoolRow:    maxPoolRowAVX2,
	avePoolRow:    avePoolRowAVX2,
	dropoutBlocks: dropoutBlocksAVX2,
	windows: [windowSizes]windowOps{
		windows2by2: {maxPool2s2AVX2, avePool2s2AVX2, maxUnpool2s2AVX2, aveUnpool2s2AVX2},
		windows3by2: {maxPool3s2AVX2, avePool3s2AVX2, maxUnpool3s2AVX2, aveUnpool3s2AVX2},
		windows3by1: {maxPool: maxPool3s1AVX2, avePool: avePool3s1AVX2},
	},

	lanes:               8,
	pixels:              pixelsAVX2,
	pixelsMirrored:      pixelsMirroredAVX2,
	pixelsMeans:         pixelsMeansAVX2,
	pixelsMeansMirrored: pixelsMeansMirroredAVX2,

	sgd:      sgdAVX2,
	nesterov: nesterovAVX2,
	adagrad:  adagradAVX2,
	rmsprop:  rmspropAVX2,
	adadelta: adadeltaAVX2,
	adam:     adamAVX2,
}

var vecAVX512 = vecOps{
	fill:       fillAVX512,
	axpy:       axpyAVX512,
	axpby:      axpbyAVX512,
	scale:      scaleAVX512,
	addScalar:  addScalarAVX512,
	add:        addAVX512,
	sub:        subAVX512,
	mul:        mulAVX512,
	div:        divAVX512,
	maximum:    maximumAVX512,
	mulAdd:     mulAddAVX512,
	scaleShift: scaleShiftAVX512,
	normalize:  normalizeAVX512,
	relu:       reluAVX512,
	reluGrad:   reluGradAVX512,
	exp:        expAVX512,
	sigmoid:    sigmoidAVX512,
	tanh:       tanhAVX512,

	sum:          sumAVX512,
	asum:         asumAVX512,
	sumSq:        sumSqAVX512,
	sumAndSq:     sumAndSqAVX512,
	dot:          dotAVX512,
	sumDot:       sumDotAVX512,
	max:          maxAVX512,
	anyNonFinite: anyNonFiniteAVX512,

	bnBackward: bnBackwardAVX512,

	normRectify:     normRectifyAVX512,
	normRectifySums: normRectifySumsAVX512,
	normRectifyGrad: normRectifyGradAVX512,

	normRectifyRow:     normRectifyRowAVX512,
	normRectifySumsRow: normRectifySumsRowAVX512,
	normRectifyGradRow: normRectifyGradRowAVX512,

	prefetch:    prefetchAVX512,
	mulAxpy:     mulAxpyAVX512,
	sumRows:     sumRowsAVX512,
	sumSqRows:   sumSqRowsAVX512,
	lrnForward:  lrnForwardAVX512,
	lrnGradient: lrnGradientAVX512,

	lrnWithin3:         lrnWithin3AVX512,
	lrnWithin3Gradient: lrnWithin3GradientAVX512,
	lrnWithin3Spread:   lrnWithin3SpreadAVX512,

	maxPoolRow:    maxPoolRowAVX512,
	avePoolRow:    avePoolRowAVX512,
	dropoutBlocks: dropoutBlocksAVX512,
	windows: [windowSizes]windowOps{
		windows2by2: {maxPool2s2AVX512, avePool2s2AVX512, maxUnpool2s2AVX512, aveUnpool2s2AVX512},
		windows3by2: {maxPool3s2AVX512, avePool3s2AVX512, maxUnpool3s2AVX512, aveUnpool3s2AVX512},
		windows3by1: {maxPool: maxPool3s1AVX512, avePool: avePool3s1AVX512},
	},

	lanes:               16,
	pixels:              pixelsAVX512,
	pixelsMirrored:      pixelsMirroredAVX512,
	pixelsMeans:         pixelsMeansAVX512,
	pixelsMeansMirrored: pixelsMeansMirroredAVX512,

	sgd:      sgdAVX512,
	nesterov: nesterovAVX512,
	adagrad:  adagradAVX512,
	rmsprop:  rmspropAVX512,
	adadelta: adadeltaAVX512,
	adam:     adamAVX512,
}

// The assembly has windows one and two columns apart.

func maxPoolRowAVX2(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	switch stride {
	case 1:
		maxPoolRow1AVX2(x, width, kh, kw, first, y, mask)
	case 2:
		maxPoolRow2AVX2(x, width, kh, kw, first, y, mask)
	default:
		maxPoolRowGeneric(x, width, kh, kw, stride, first, y, mask)
	}
}

func avePoolRowAVX2(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	switch stride {
	case 1:
		avePoolRow1AVX2(x, width, kh, kw, size, y)
	case 2:
		avePoolRow2AVX2(x, width, kh, kw, size, y)
	default:
		avePoolRowGeneric(x, width, kh, kw, stride, size, y)
	}
}

func maxPoolRowAVX512(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	switch stride {
	case 1:
		maxPoolRow1AVX512(x, width, kh, kw, first, y, mask)
	case 2:
		maxPoolRow2AVX512(x, width, kh, kw, first, y, mask)
	default:
		maxPoolRowGeneric(x, width, kh, kw, stride, first, y, mask)
	}
}

func avePoolRowAVX512(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	switch stride {
	case 1:
		avePoolRow1AVX512(x, width, kh, kw, size, y)
	case 2:
		avePoolRow2AVX512(x, width, kh, kw, size, y)
	default:
		avePoolRowGeneric(x, width, kh, kw, stride, size, y)
	}
}

// The assembly makes words in groups of two vectors and does not carry into the
// upper half of the block's number.

func dropoutBlocksAVX2(dst []float32, key, stream, block uint64, limit uint32, scale float32) {
	whole := len(dst) &^ (16 - 1)
	if uint64(uint32(block))+uint64(len(dst)) > math.MaxUint32 {
		whole = 0
	}
	dropoutGroupsAVX2(dst[:whole], key, stream, block, limit, scale)
	dropoutBlocksGeneric(dst[whole:], key, stream, block+uint64(whole/4), limit, scale)
}

func dropoutBlocksAVX512(dst []float32, key, stream, block uint64, limit uint32, scale float32) {
	whole := len(dst) &^ (32 - 1)
	if uint64(uint32(block))+uint64(len(dst)) > math.MaxUint32 {
		whole = 0
	}
	dropoutGroupsAVX512(dst[:whole], key, stream, block, limit, scale)
	dropoutBlocksGeneric(dst[whole:], key, stream, block+uint64(whole/4), limit, scale)
}
