package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// interleave turns n channels, step apart in src, into a vector per pixel, followed by a
// vector of zeros. Lanes without a channel are zero. The channels that follow are usually
// next, and come to the second cache meanwhile.
func interleave(u *gemm.Micro, n, pixels int, src []float32, step int, dst []float32) {
	lanes := u.Lanes
	clear(dst[pixels*lanes:][:lanes])
	if n == lanes {
		u.TransposeAhead(lanes, pixels, src, step, dst, lanes, lanes*step)
		return
	}
	clear(dst[:pixels*lanes])
	gemm.TransposeGeneric(n, pixels, src, step, dst, lanes)
}

// deinterleave is the inverse of interleave. transpose is u.Transpose or u.Stream.
func deinterleave(u *gemm.Micro, transpose gemm.TransposeFunc, n, pixels int, src, dst []float32, step int) {
	lanes := u.Lanes
	if n == lanes && u.Transpose != nil && pixels >= lanes {
		_ = dst[(n-1)*step+pixels-1]
		transpose(pixels/lanes, &src[0], lanes, lanes*lanes, &dst[0], step, lanes)
		if last := pixels - lanes; pixels%lanes != 0 {
			u.Transpose(1, &src[last*lanes], lanes, 0, &dst[last], step, 0)
		}
		return
	}
	for c := range n {
		to := dst[c*step:][:pixels]
		for q := range to {
			to[q] = src[q*lanes+c]
		}
	}
}
