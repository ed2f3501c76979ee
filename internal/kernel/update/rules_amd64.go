//go:build !noasm

package update

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*rules{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

var (
	avx2   = rules{sgdAVX2, nesterovAVX2, adagradAVX2, rmspropAVX2, adadeltaAVX2, adamAVX2}
	avx512 = rules{sgdAVX512, nesterovAVX512, adagradAVX512, rmspropAVX512, adadeltaAVX512, adamAVX512}
)
