//go:build !noasm

package conv

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// transformsOf holds the transforms of each level.
var transformsOf = [...]*[algorithms]transforms{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

// channelsOf holds the convolution of single channels of each level, nil where there are
// only lines.
var channelsOf = [...]channelsFunc{
	cpu.Generic: nil,
	cpu.AVX2:    channelsAVX2,
	cpu.AVX512:  channelsAVX512,
}

// channelsGradOf holds the gradients of their weights.
var channelsGradOf = [...]channelsGradFunc{
	cpu.Generic: nil,
	cpu.AVX2:    channelsGradAVX2,
	cpu.AVX512:  channelsGradAVX512,
}

// rowsOf holds the functions for vectors of pixels of a row of each level, the widest vectors first.
var rowsOf = [...][]*rowKernels{
	cpu.Generic: nil,
	cpu.AVX2:    {&rows256},
	cpu.AVX512:  {&rows512, &rows256},
}

var rows256 = rowKernels{
	lanes: 8,
	kernels: []rowKernel{
		{3, 1, rows3Step1AVX2, rowsGrad3Step1AVX2, rowsLeast3, rowsGradLeast3},
		{3, 2, rows3Step2AVX2, rowsGrad3Step2AVX2, rowsLeast3, rowsGradLeast3},
	},
	phases: rowsPhasesAVX2,
	split:  splitRowsAVX2,
	stream: streamAVX2,
}

var rows512 = rowKernels{
	lanes: 16,
	kernels: []rowKernel{
		{3, 1, rows3Step1AVX512, rowsGrad3Step1AVX512, rowsLeast3, rowsGradLeast3},
		{3, 2, rows3Step2AVX512, rowsGrad3Step2AVX512, rowsLeast3, rowsGradLeast3},
		{5, 1, rows5Step1AVX512, rowsGrad5Step1AVX512, rowsLeast5, rowsGradLeast5},
		{5, 2, rows5Step2AVX512, rowsGrad5Step2AVX512, rowsLeast5, rowsGradLeast5},
	},
	phases: rowsPhasesAVX512,
	split:  splitRowsAVX2,
	stream: streamAVX512,
}

// pairsOf holds the loops over pairs of each level.
var pairsOf = [...]*pairsFuncs{
	cpu.Generic: {},
	cpu.AVX2:    &pairs256,
	cpu.AVX512:  &pairs256,
}

var pairs256 = pairsFuncs{split: splitPairsAVX2, join: joinPairsAVX2}

var avx2 = [algorithms]transforms{
	f2x2of3x3: {
		input:      winogradInput2AVX2,
		grad:       winogradGrad2AVX2,
		output:     winogradOutput2AVX2,
		filter:     winogradFilter2AVX2,
		filterGrad: winogradFilterGrad2AVX2,
	},
	f4x4of3x3: {
		input:      winogradInput4AVX2,
		grad:       winogradGrad4AVX2,
		output:     winogradOutput4AVX2,
		filter:     winogradFilter4AVX2,
		filterGrad: winogradFilterGrad4AVX2,
	},
	f2x2of5x5: {
		input:      winogradInput4AVX2,
		grad:       winogradGrad5x5AVX2,
		output:     winogradOutput5x5AVX2,
		filter:     winogradFilter5x5AVX2,
		filterGrad: winogradFilterGrad5x5AVX2,
	},
	fourier5x5: {
		input:      winogradInputFourierAVX2,
		grad:       winogradGradFourierAVX2,
		output:     winogradOutputFourierAVX2,
		filter:     winogradFilterFourierAVX2,
		filterGrad: winogradFilterGradFourierAVX2,
	},
}

var avx512 = [algorithms]transforms{
	f2x2of3x3: {
		input:      winogradInput2AVX512,
		grad:       winogradGrad2AVX512,
		output:     winogradOutput2AVX512,
		filter:     winogradFilter2AVX512,
		filterGrad: winogradFilterGrad2AVX512,
	},
	f4x4of3x3: {
		input:      winogradInput4AVX512,
		grad:       winogradGrad4AVX512,
		output:     winogradOutput4AVX512,
		filter:     winogradFilter4AVX512,
		filterGrad: winogradFilterGrad4AVX512,
	},
	f2x2of5x5: {
		input:      winogradInput4AVX512,
		grad:       winogradGrad5x5AVX512,
		output:     winogradOutput5x5AVX512,
		filter:     winogradFilter5x5AVX512,
		filterGrad: winogradFilterGrad5x5AVX512,
	},
	fourier5x5: {
		input:      winogradInputFourierAVX512,
		grad:       winogradGradFourierAVX512,
		output:     winogradOutputFourierAVX512,
		filter:     winogradFilterFourierAVX512,
		filterGrad: winogradFilterGradFourierAVX512,
	},
}
