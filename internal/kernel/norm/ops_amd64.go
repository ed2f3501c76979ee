//go:build !noasm

package norm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

var avx2 = ops{
	normalize:     normalizeAVX2,
	invStd:        invStdAVX2,
	normalizeGrad: normalizeGradAVX2,
	sumAndSquares: sumAndSquaresAVX2,
	sumAndDot:     sumAndDotAVX2,
	columnSums:    columnSumsAVX2,

	affineReLU:     affineReLUAVX2,
	affineReLUSums: affineReLUSumsAVX2,
	affineReLUGrad: affineReLUGradAVX2,

	affineReLUVectors: affineReLUVectorsAVX2,
	sumVectors:        sumVectorsAVX2,
	affineReLURow:     affineReLURowAVX2,
	affineReLUSumsRow: affineReLUSumsRowAVX2,
	affineReLUGradRow: affineReLUGradRowAVX2,

	prefetch:   prefetchAVX2,
	mulAxpy:    mulAxpyAVX2,
	sumRows:    sumRowsAVX2,
	sumSqRows:  sumSqRowsAVX2,
	lrnForward: lrnForwardAVX2,
	lrnGrad:    lrnGradAVX2,

	lrnWithin3:       lrnWithin3AVX2,
	lrnWithin3Grad:   lrnWithin3GradAVX2,
	lrnWithin3Spread: lrnWithin3SpreadAVX2,
}

var avx512 = ops{
	normalize:     normalizeAVX512,
	invStd:        invStdAVX512,
	normalizeGrad: normalizeGradAVX512,
	sumAndSquares: sumAndSquaresAVX512,
	sumAndDot:     sumAndDotAVX512,
	columnSums:    columnSumsAVX512,

	affineReLU:     affineReLUAVX512,
	affineReLUSums: affineReLUSumsAVX512,
	affineReLUGrad: affineReLUGradAVX512,

	affineReLUVectors: affineReLUVectorsAVX512,
	sumVectors:        sumVectorsAVX512,
	affineReLURow:     affineReLURowAVX512,
	affineReLUSumsRow: affineReLUSumsRowAVX512,
	affineReLUGradRow: affineReLUGradRowAVX512,

	prefetch:   prefetchAVX512,
	mulAxpy:    mulAxpyAVX512,
	sumRows:    sumRowsAVX512,
	sumSqRows:  sumSqRowsAVX512,
	lrnForward: lrnForwardAVX512,
	lrnGrad:    lrnGradAVX512,

	lrnWithin3:       lrnWithin3AVX512,
	lrnWithin3Grad:   lrnWithin3GradAVX512,
	lrnWithin3Spread: lrnWithin3SpreadAVX512,
}
