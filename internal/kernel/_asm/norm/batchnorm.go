// Package norm writes the loops of package norm: batch normalization and local
// response normalization.
package norm

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		s.batchNorm()
		s.columnSums()
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
	s.Map(simd.Mapping{
		Name: "invStd", Signature: "(dst, variance []float32, eps float32)",
		Doc: "is invStdGeneric.",
		In:  []string{"variance"}, Out: []string{"dst"}, Scalars: []string{"eps"}, Unroll: 1,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VADDPS(c[0], in[0], in[0])
			one := s.Vec()
			VMOVUPD(simd.Bits64(math.Float64bits(1)), one)
			halves := [2]reg.VecVirtual{s.Half(), s.Half()}
			for i, half := range halves {
				d := s.Vec()
				VCVTPS2PD(s.halfOf(in[0], i), d)
				VSQRTPD(d, d)
				VDIVPD(d, one, d)
				if s.Wide {
					VCVTPD2PS(d, half)
				} else {
					VCVTPD2PSY(d, half)
				}
			}
			v := s.Vec()
			if s.Wide {
				VINSERTF64X4(U8(1), halves[1], halves[0].AsZ(), v)
			} else {
				VINSERTF128(U8(1), halves[1], halves[0].AsY(), v)
			}
			return []reg.VecVirtual{v}
		},
	})
	s.sumVectors()
}

// sumVectors writes the loop that adds vectors to two sums in turn, so that an addition need not wait
// for the one before.
func (s *set) sumVectors() {
	s.Text("sumVectors", "(x []float32, first, second []float64)", "is sumVectorsGeneric.")
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	at := []reg.Register{Load(Param("first").Base(), GP64()), Load(Param("second").Base(), GP64())}
	var sums [8]reg.VecVirtual // halves of first's sums and squares, and of second's
	for i := range sums {
		sums[i] = s.Vec()
		VMOVUPD(Mem{Base: at[i/4], Disp: 4 * s.Lanes * (i % 4)}, sums[i])
	}
	step := func(vectors int) {
		for i := range 2 * vectors {
			v, to := s.Vec(), sums[i/2*4+i%2:]
			VCVTPS2PD(Mem{Base: x, Disp: 2 * s.Lanes * i}, v)
			VADDPD(v, to[0], to[0])
			VFMADD231PD(v, v, to[2])
		}
	}
	Label("loop")
	CMPQ(n, I32(2*s.Lanes))
	JL(LabelRef("loopEnd"))
	step(2)
	ADDQ(I32(8*s.Lanes), x)
	SUBQ(I32(2*s.Lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(1)
	Label("done")
	for i, sum := range sums {
		VMOVUPD(sum, Mem{Base: at[i/4], Disp: 4 * s.Lanes * (i % 4)})
	}
	simd.Ret()
}
