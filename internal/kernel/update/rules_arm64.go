//go:build !noasm

package update

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*rules{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = rules{sgdNEON, nesterovNEON, adagradNEON, rmspropNEON, adadeltaNEON, adamNEON}
