package kernel

import (
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/conv"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Precision is the number format to which the elements of factors are rounded before
// products of matrices and convolutions. Sums, and everything that is not a product, are
// float32 in either case.
type Precision int

const (
	FP32 Precision = iota // float32: not rounded

	// BF16 is bfloat16: 8 bits of precision, ties to even, the exponents of float32, and
	// numbers below 2⁻¹²⁶ are 0. It is fast on processors with AMX, and there are loops in Go
	// for others. Processors may add up in different orders.
	BF16
)

// String returns "fp32" or "bf16".
func (p Precision) String() string {
	switch p {
	case FP32:
		return "fp32"
	case BF16:
		return "bf16"
	}
	return fmt.Sprintf("Precision(%d)", int(p))
}

// Supported returns nil if the processor and the system have instructions for the
// precision, and otherwise an error that names what is missing.
func (p Precision) Supported() error {
	switch p {
	case FP32:
		return nil
	case BF16:
		return bf16.Supported()
	}
	return errors.New("unknown precision, want FP32 or BF16")
}

// Variant returns the instructions of products: "amx_bf16", "avx512_bf16" or "generic" for
// BF16, and what the function Variant returns for FP32.
func (p Precision) Variant() string {
	if p == BF16 {
		return bf16.Active().Name
	}
	return Variant()
}

// Rounds reports whether Gemm rounds the factors of a product of these sizes.
func (p Precision) Rounds(m, n, k int) bool { return p == BF16 && bf16.Rounds(m, n, k) }

// Gemm computes what the function Gemm computes, from factors in the precision. Products
// where m, n or k is below 48 are computed in FP32.
func (p Precision) Gemm(pool *parallel.Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if p == BF16 {
		bf16.Gemm(pool, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	Gemm(pool, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// NewConv is the function NewConv, for a convolution in the precision. In BF16 all three
// products are computed directly. Convolutions with few outputs, or few terms in a sum,
// are computed in FP32, and those of ConvParams with Direct set too; on a processor without
// AMX also those that Winograd's algorithm computes faster in FP32.
func (p Precision) NewConv(g ConvParams) (*Conv, error) {
	if p != BF16 || g.Direct {
		return NewConv(g)
	}
	c, err := conv.NewRounded(conv.Params(g))
	if err != nil {
		return nil, err
	}
	return &Conv{c}, nil
}
