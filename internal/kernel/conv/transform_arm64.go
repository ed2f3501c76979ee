//go:build !noasm

package conv

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// transformsOf holds the transforms of each level.
var transformsOf = [...]*[algorithms]transforms{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

// channelsOf holds the convolution of single channels of each level, nil where there are
// only lines.
var channelsOf = [...]channelsFunc{
	cpu.Generic: nil,
	cpu.NEON:    nil,
}

// channelsGradOf holds the gradients of their weights.
var channelsGradOf = [...]channelsGradFunc{
	cpu.Generic: nil,
	cpu.NEON:    nil,
}

// rowsOf holds the functions for vectors of pixels of a row of each level.
var rowsOf = [...][]*rowKernels{
	cpu.Generic: nil,
	cpu.NEON:    {&rowsNEON},
}

var rowsNEON = rowKernels{
	lanes: 8,
	kernels: []rowKernel{
		{3, 1, rows3Step1NEON, rowsGrad3Step1NEON, rowsLeast3, rowsGradLeast3},
		{3, 2, rows3Step2NEON, rowsGrad3Step2NEON, rowsLeast3, rowsGradLeast3},
	},
	phases: rowsPhasesNEON,
}

// pairsOf holds the loops over pairs of each level.
var pairsOf = [...]*pairsFuncs{
	cpu.Generic: {},
	cpu.NEON:    {split: splitPairsNEON, join: joinPairsNEON},
}

var neon = [algorithms]transforms{
	f2x2of3x3: {
		input:      winogradInput2NEON,
		grad:       winogradGrad2NEON,
		output:     winogradOutput2NEON,
		filter:     winogradFilter2NEON,
		filterGrad: winogradFilterGrad2NEON,
	},
	f4x4of3x3: {
		input:      winogradInput4NEON,
		grad:       winogradGrad4NEON,
		output:     winogradOutput4NEON,
		filter:     winogradFilter4NEON,
		filterGrad: winogradFilterGrad4NEON,
	},
	f2x2of5x5: {
		input:      winogradInput4NEON,
		grad:       winogradGrad5x5NEON,
		output:     winogradOutput5x5NEON,
		filter:     winogradFilter5x5NEON,
		filterGrad: winogradFilterGrad5x5NEON,
	},
	fourier5x5: {
		input:      winogradInputFourierNEON,
		grad:       winogradGradFourierNEON,
		output:     winogradOutputFourierNEON,
		filter:     winogradFilterFourierNEON,
		filterGrad: winogradFilterGradFourierNEON,
	},
}
