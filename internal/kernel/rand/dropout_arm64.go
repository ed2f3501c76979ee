//go:build !noasm

package rand

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// dropoutBlocks holds the loops of each level.
var dropoutBlocks = [...]blocksFunc{
	cpu.Generic: dropoutBlocksGeneric,
	cpu.NEON:    dropoutBlocksGeneric,
}
