//go:build !noasm

package pool

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

var avx2 = ops{
	lanes:  8,
	maxRow: maxRowAVX2,
	aveRow: aveRowAVX2,
	special: [specialSizes]specialOps{
		width2Stride2: {maxPool2s2AVX2, maxValue2s2AVX2, avePool2s2AVX2, maxUnpool2s2AVX2, aveUnpool2s2AVX2},
		width3Stride2: {maxPool3s2AVX2, maxValue3s2AVX2, avePool3s2AVX2, maxUnpool3s2AVX2, aveUnpool3s2AVX2},
		width3Stride1: {maxPool: maxPool3s1AVX2, maxValue: maxValue3s1AVX2, avePool: avePool3s1AVX2, maxUnpool: maxUnpool3s1AVX2},
	},
}

var avx512 = ops{
	lanes:  16,
	maxRow: maxRowAVX512,
	aveRow: aveRowAVX512,
	special: [specialSizes]specialOps{
		width2Stride2: {maxPool2s2AVX512, maxValue2s2AVX512, avePool2s2AVX512, maxUnpool2s2AVX512, aveUnpool2s2AVX512},
		width3Stride2: {maxPool3s2AVX512, maxValue3s2AVX512, avePool3s2AVX512, maxUnpool3s2AVX512, aveUnpool3s2AVX512},
		width3Stride1: {maxPool: maxPool3s1AVX512, maxValue: maxValue3s1AVX512, avePool: avePool3s1AVX512, maxUnpool: maxUnpool3s1AVX512},
	},
}

// The assembly has strides of one and two columns.

func maxRowAVX2(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	switch stride {
	case 1:
		maxRow1AVX2(x, width, kh, kw, first, y, mask)
	case 2:
		maxRow2AVX2(x, width, kh, kw, first, y, mask)
	default:
		maxRowGeneric(x, width, kh, kw, stride, first, y, mask)
	}
}

func aveRowAVX2(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	switch stride {
	case 1:
		aveRow1AVX2(x, width, kh, kw, size, y)
	case 2:
		aveRow2AVX2(x, width, kh, kw, size, y)
	default:
		aveRowGeneric(x, width, kh, kw, stride, size, y)
	}
}

func maxRowAVX512(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	switch stride {
	case 1:
		maxRow1AVX512(x, width, kh, kw, first, y, mask)
	case 2:
		maxRow2AVX512(x, width, kh, kw, first, y, mask)
	default:
		maxRowGeneric(x, width, kh, kw, stride, first, y, mask)
	}
}

func aveRowAVX512(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	switch stride {
	case 1:
		aveRow1AVX512(x, width, kh, kw, size, y)
	case 2:
		aveRow2AVX512(x, width, kh, kw, size, y)
	default:
		aveRowGeneric(x, width, kh, kw, stride, size, y)
	}
}
