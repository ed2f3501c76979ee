//go:build !noasm

package norm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = ops{
	normalize:     normalizeNEON,
	invStd:        invStdGeneric,
	normalizeGrad: normalizeGradNEON,
	sumAndSquares: sumAndSquaresNEON,
	sumAndDot:     sumAndDotNEON,
	columnSums:    columnSumsGeneric,

	affineReLU:     affineReLUNEON,
	affineReLUSums: affineReLUSumsNEON,
	affineReLUGrad: affineReLUGradNEON,

	affineReLUVectors: affineReLUVectorsNEON,
	sumVectors:        sumVectorsNEON,
	affineReLURow:     affineReLURowNEON,
	affineReLUSumsRow: affineReLUSumsRowNEON,
	affineReLUGradRow: affineReLUGradRowNEON,

	prefetch:   prefetchNEON,
	mulAxpy:    mulAxpyNEON,
	sumRows:    sumRowsNEON,
	sumSqRows:  sumSqRowsNEON,
	lrnForward: lrnForwardNEON,
	lrnGrad:    lrnGradNEON,
}
