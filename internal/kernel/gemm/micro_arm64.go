//go:build !noasm

package gemm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// micros holds the micro-kernels of each level.
var micros = [...]*Micro{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = Micro{
	Lanes:   4,
	tiles:   []TileFunc{tileNEONx1, tileNEONx2, tileNEONx3, tileNEONx4},
	few:     []fewTile{{1, 8, fewNEON_1x8}, {2, 8, fewNEON_2x8}, {4, 6, fewNEON_4x6}},
	Tall:    dotsTallNEON,
	Dots:    dotsNEON,
	DotCols: 6,
	blocks: [][]BlockFunc{
		{blockNEON_1x1, blockNEON_1x2, blockNEON_1x3},
		{blockNEON_2x1, blockNEON_2x2, blockNEON_2x3},
		{blockNEON_3x1, blockNEON_3x2, blockNEON_3x3},
		{blockNEON_4x1, blockNEON_4x2, blockNEON_4x3},
		{blockNEON_5x1, blockNEON_5x2, blockNEON_5x3},
		{blockNEON_6x1, blockNEON_6x2, blockNEON_6x3},
		{blockNEON_7x1, blockNEON_7x2, blockNEON_7x3},
		{blockNEON_8x1, blockNEON_8x2, blockNEON_8x3},
	},
	thin: []ThinFunc{
		thinNEON_1, thinNEON_2, thinNEON_3, thinNEON_4, thinNEON_5, thinNEON_6,
		thinNEON_7, thinNEON_8,
	},
	lines: [][]LineFunc{
		{lineNEON_1x1, lineNEON_1x2, lineNEON_1x3, lineNEON_1x4},
		{lineNEON_2x1, lineNEON_2x2, lineNEON_2x3, lineNEON_2x4},
		{lineNEON_3x1, lineNEON_3x2, lineNEON_3x3, lineNEON_3x4},
		{lineNEON_4x1, lineNEON_4x2, lineNEON_4x3, lineNEON_4x4},
		{lineNEON_5x1, lineNEON_5x2, lineNEON_5x3, lineNEON_5x4},
		{lineNEON_6x1, lineNEON_6x2, lineNEON_6x3, lineNEON_6x4},
	},
	Transpose: transposeNEON,
	Ahead:     transposeAheadNEON,
	copyRows:  copyRowsNEON,
	fmaLoop:   fmaLoopNEON,
	fmaFlops:  2 * 24 * 4,
}

// transposeAheadNEON is the AheadFunc of blocks of 4 by 4. It leaves the lines ahead to the
// processor.
func transposeAheadNEON(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst, _ int) {
	transposeNEON(blocks, src, lds, nextSrc, dst, ldd, nextDst)
}
