//go:build !noasm

package gemm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// micros holds the micro-kernels of each level.
var micros = [...]*Micro{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

var avx2 = Micro{
	Lanes:   8,
	tiles:   []TileFunc{tileAVX2x1, tileAVX2x2},
	few:     []fewTile{{1, 8, fewAVX2_1x8}, {2, 6, fewAVX2_2x6}, {4, 3, fewAVX2_4x3}},
	Tall:    dotsTallAVX2,
	Dots:    dotsAVX2,
	DotCols: 3,
	blocks: [][]BlockFunc{
		{blockAVX2_1x1, blockAVX2_1x2},
		{blockAVX2_2x1, blockAVX2_2x2},
		{blockAVX2_3x1, blockAVX2_3x2},
		{blockAVX2_4x1, blockAVX2_4x2},
		{blockAVX2_5x1, blockAVX2_5x2},
		{blockAVX2_6x1, blockAVX2_6x2},
	},
	thin: []ThinFunc{
		thinAVX2_1, thinAVX2_2, thinAVX2_3, thinAVX2_4, thinAVX2_5, thinAVX2_6,
	},
	lines: [][]LineFunc{
		{lineAVX2_1x1, lineAVX2_1x2},
		{lineAVX2_2x1, lineAVX2_2x2},
		{lineAVX2_3x1, lineAVX2_3x2},
		{lineAVX2_4x1, lineAVX2_4x2},
		{lineAVX2_5x1, lineAVX2_5x2},
		{lineAVX2_6x1, lineAVX2_6x2},
	},
	Transpose: transposeAVX2,
	Ahead:     transposeAheadAVX2,
	copyRows:  copyRowsAVX2,
	fmaLoop:   fmaLoopAVX2,
	fmaFlops:  2 * 12 * 8,
}

var avx512 = Micro{
	Lanes:   16,
	tiles:   []TileFunc{tileAVX512x1, tileAVX512x2, tileAVX512x3, tileAVX512x4},
	few:     []fewTile{{1, 8, fewAVX512_1x8}, {2, 8, fewAVX512_2x8}, {4, 6, fewAVX512_4x6}},
	Tall:    dotsTallAVX512,
	Dots:    dotsAVX512,
	DotCols: 6,
	blocks: [][]BlockFunc{
		{blockAVX512_1x1, blockAVX512_1x2},
		{blockAVX512_2x1, blockAVX512_2x2},
		{blockAVX512_3x1, blockAVX512_3x2},
		{blockAVX512_4x1, blockAVX512_4x2},
		{blockAVX512_5x1, blockAVX512_5x2},
		{blockAVX512_6x1, blockAVX512_6x2},
		{blockAVX512_7x1, blockAVX512_7x2},
		{blockAVX512_8x1, blockAVX512_8x2},
		{blockAVX512_9x1, blockAVX512_9x2},
		{blockAVX512_10x1, blockAVX512_10x2},
		{blockAVX512_11x1, blockAVX512_11x2},
		{blockAVX512_12x1, blockAVX512_12x2},
	},
	thin: []ThinFunc{
		thinAVX512_1, thinAVX512_2, thinAVX512_3, thinAVX512_4, thinAVX512_5, thinAVX512_6,
		thinAVX512_7, thinAVX512_8, thinAVX512_9, thinAVX512_10, thinAVX512_11, thinAVX512_12,
	},
	lines: [][]LineFunc{
		{lineAVX512_1x1, lineAVX512_1x2, lineAVX512_1x3, lineAVX512_1x4},
		{lineAVX512_2x1, lineAVX512_2x2, lineAVX512_2x3, lineAVX512_2x4},
		{lineAVX512_3x1, lineAVX512_3x2, lineAVX512_3x3, lineAVX512_3x4},
		{lineAVX512_4x1, lineAVX512_4x2, lineAVX512_4x3, lineAVX512_4x4},
		{lineAVX512_5x1, lineAVX512_5x2, lineAVX512_5x3, lineAVX512_5x4},
		{lineAVX512_6x1, lineAVX512_6x2, lineAVX512_6x3, lineAVX512_6x4},
	},
	Transpose: transposeAVX512,
	Ahead:     transposeAheadAVX512,
	Stream:    transposeStreamAVX512,
	shorter:   &avx2,
	copyRows:  copyRowsAVX2,
	fmaLoop:   fmaLoopAVX512,
	fmaFlops:  2 * 24 * 16,
}
