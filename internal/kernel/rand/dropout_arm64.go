//go:build !noasm

package rand

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
)

// dropoutBlocks holds the loops of each level.
var dropoutBlocks = [...]blocksFunc{
	cpu.Generic: dropoutBlocksGeneric,
	cpu.NEON:    dropoutBlocksNEON,
}

// The assembly computes groups of four blocks and does not carry into the upper half of
// the block number.
func dropoutBlocksNEON(dst []float32, key, stream, block uint64, limit uint32, scale float32) {
	whole := len(dst) &^ (16 - 1)
	if uint64(uint32(block))+uint64(len(dst)) > math.MaxUint32 {
		whole = 0
	}
	dropoutGroupsNEON(dst[:whole], key, stream, block, limit, scale)
	dropoutBlocksGeneric(dst[whole:], key, stream, block+uint64(whole/4), limit, scale)
}
