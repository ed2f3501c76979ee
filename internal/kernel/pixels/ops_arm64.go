//go:build !noasm

package pixels

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = ops{8, pixelsNEON, pixelsMirroredNEON, pixelsMeansNEON, pixelsMeansMirroredNEON}
