//go:build !noasm

package update

var (
	avx2   = rules{sgdAVX2, nesterovAVX2, adagradAVX2, rmspropAVX2, adadeltaAVX2, adamAVX2}
	avx512 = rules{sgdAVX512, nesterovAVX512, adagradAVX512, rmspropAVX512, adadeltaAVX512, adamAVX512}
)
