//go:build !noasm

package pixels

var (
	avx2   = ops{8, pixelsAVX2, pixelsMirroredAVX2, pixelsMeansAVX2, pixelsMeansMirroredAVX2}
	avx512 = ops{16, pixelsAVX512, pixelsMirroredAVX512, pixelsMeansAVX512, pixelsMeansMirroredAVX512}
)
