//go:build (!amd64 && !arm64) || noasm

package conv

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// transformsOf holds the transforms of each level.
var transformsOf = [...]*[algorithms]transforms{
	cpu.Generic: &generic,
}

// channelsOf holds the convolution of single channels of each level, nil where there are
// only lines.
var channelsOf = [...]channelsFunc{
	cpu.Generic: nil,
}

// channelsGradOf holds the gradients of their weights.
var channelsGradOf = [...]channelsGradFunc{
	cpu.Generic: nil,
}

// rowsOf holds the functions for vectors of pixels of a row of each level.
var rowsOf = [...][]*rowKernels{cpu.Generic: nil}

// pairsOf holds the loops over pairs of each level.
var pairsOf = [...]*pairsFuncs{cpu.Generic: {}}
