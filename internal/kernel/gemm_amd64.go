//go:build amd64 && !noasm

package kernel

var microAVX2 = micro{
	lanes:     8,
	tiles:     []tileFunc{tileAVX2x1, tileAVX2x2},
	transpose: transposeAVX2,
	copyRows:  copyRowsAVX2,
	winograd:  winogradAVX2,
	fmaLoop:   fmaLoopAVX2,
	fmaFlops:  2 * 12 * 8,
}

var microAVX512 = micro{
	lanes:     16,
	tiles:     []tileFunc{tileAVX512x1, tileAVX512x2, tileAVX512x3, tileAVX512x4},
	transpose: transposeAVX512,
	copyRows:  copyRowsAVX2,
	winograd:  winogradAVX512,
	fmaLoop:   fmaLoopAVX512,
	fmaFlops:  2 * 24 * 16,
}
