//go:build (!amd64 && !arm64) || noasm

package rand

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// dropoutBlocks holds the loops of each level.
var dropoutBlocks = [...]blocksFunc{
	cpu.Generic: dropoutBlocksGeneric,
}
