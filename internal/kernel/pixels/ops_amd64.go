//go:build !noasm

package pixels

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

var (
	avx2   = ops{8, pixelsAVX2, pixelsMirroredAVX2, pixelsMeansAVX2, pixelsMeansMirroredAVX2}
	avx512 = ops{16, pixelsAVX512, pixelsMirroredAVX512, pixelsMeansAVX512, pixelsMeansMirroredAVX512}
)
