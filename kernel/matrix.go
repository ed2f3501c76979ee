package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

// Gemm computes C = alpha op(A) op(B) + beta C of row-major matrices: op(A) is
// (m,k), op(B) is (k,n) and C is (m,n). op transposes a matrix if its trans
// argument is set: a is then stored as (k,m), b as (n,k). lda, ldb and ldc are
// the distances between rows as stored. If beta is 0, C is written but not read.
func Gemm(p *parallel.Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemm.Gemm(p, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Gemv computes y = alpha op(A) x + beta y of a row-major (m,n) matrix A, whose
// rows are lda apart. Without trans, x has n elements and y has m; with trans,
// op transposes A, so x has m elements and y has n. If beta is 0, y is written but
// not read.
func Gemv(p *parallel.Pool, trans bool, m, n int, alpha float32, a []float32, lda int, x []float32, beta float32, y []float32) {
	gemm.Gemv(p, trans, m, n, alpha, a, lda, x, beta, y)
}
