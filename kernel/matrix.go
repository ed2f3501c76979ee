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

// A PackedMatrix is a matrix in the form that products read fastest, for several
// products with it. Gemm brings its second matrix into this form for each product, which
// takes longer than a product with few rows. Two goroutines must not use one at the same
// time.
type PackedMatrix struct{ packed gemm.Packed }

// Pack makes b the packed form of op(B), which is (k,n). op transposes the matrix if
// trans is set: x is then stored as (n,k). ldb is the distance between its rows as
// stored. It keeps its storage from one matrix to the next.
func (b *PackedMatrix) Pack(p *parallel.Pool, trans bool, k, n int, x []float32, ldb int) {
	b.packed.Pack(p, trans, k, n, x, ldb)
}

// Gemm computes C = A op(B) + beta C, as the function Gemm does, for an A of m rows,
// (m,k), and a C of (m,n).
func (b *PackedMatrix) Gemm(p *parallel.Pool, m int, a []float32, lda int, beta float32, c []float32, ldc int) {
	b.packed.Gemm(p, m, a, lda, beta, c, ldc)
}

// Gemv computes y = alpha op(A) x + beta y of a row-major (m,n) matrix A, whose
// rows are lda apart. Without trans, x has n elements and y has m; with trans,
// op transposes A, so x has m elements and y has n. If beta is 0, y is written but
// not read.
func Gemv(p *parallel.Pool, trans bool, m, n int, alpha float32, a []float32, lda int, x []float32, beta float32, y []float32) {
	gemm.Gemv(p, trans, m, n, alpha, a, lda, x, beta, y)
}
