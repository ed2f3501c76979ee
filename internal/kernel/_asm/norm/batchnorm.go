// Package norm writes the loops of package norm: batch normalization and local
// response normalization.
package norm

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		s.batchNorm()
		s.rectified()
		s.lrn()
	}
}

// batchNorm writes the loops of batch normalization alone.
func (s *set) batchNorm() {
	s.Map(simd.Mapping{
		Name: "normalize", Signature: "(dst, x []float32, mean, invstd float32)",
		Doc: "sets dst to (x - mean)·invstd.",
		In:  []string{"x"}, Out: []string{"dst"}, Scalars: []string{"mean", "invstd"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VSUBPS(c[0], in[0], in[0])
			VMULPS(c[1], in[0], in[0])
			return in[:1]
		},
	})
	s.Reduce(simd.Reduction{
		Name: "sumAndSquares", Signature: "(x []float32) (sum, sq float64)",
		Doc: "returns the sums of x and of x².",
		In:  []string{"x"}, Results: 2,
		Body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
			VFMADD231PD(in[0], in[0], sums[1])
		},
	})
	s.Reduce(simd.Reduction{
		Name: "sumAndDot", Signature: "(a, b []float32) (sum, dot float64)",
		Doc: "returns the sum of a and the inner product of a and b.",
		In:  []string{"a", "b"}, Results: 2,
		Body: func(in, sums []reg.VecVirtual) {
			VADDPD(in[0], sums[0], sums[0])
			VFMADD231PD(in[0], in[1], sums[1])
		},
	})
	s.Map(simd.Mapping{
		Name: "normalizeGrad", Signature: "(dx, dy, xnorm []float32, meanDy, meanDyX, invstd float32)",
		Doc: "sets dx to (dy - meanDy - meanDyX·xnorm)·invstd.",
		In:  []string{"dy", "xnorm"}, Out: []string{"dx"},
		Scalars: []string{"meanDy", "meanDyX", "invstd"}, Unroll: 4,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VSUBPS(c[0], in[0], in[0])
			VFNMADD231PS(in[1], c[1], in[0])
			VMULPS(c[2], in[0], in[0])
			return in[:1]
		},
	})
}
