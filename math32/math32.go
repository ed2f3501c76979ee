// Package math32 is the float32 arithmetic of gocaffe for layers outside of
// it: products of matrices and vectors, element-wise functions and sums, in
// the assembly of the built-in layers.
//
// Matrices are row major; ld is the distance between rows as stored. The
// functions that take workers cut the work by size alone and sum in a fixed
// order, so that results do not depend on the number of threads; nil workers
// are one thread. The functions on vectors run in one thread and work on as
// many numbers as the slice has that is written to (for a reduction, the first
// slice). dst may be one of the sources but must not overlap one otherwise.
// No function allocates. A slice that is too short is a bug of the caller, and
// panics.
package math32

import (
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// Gemm computes C = alpha op(A) op(B) + beta C, where op is the transposition
// or nothing: op(A) is (m,k), op(B) is (k,n) and C is (m,n). If beta is 0, C
// is not read, whatever it holds.
func Gemm(w *layers.Workers, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	kernel.Gemm(w, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Gemv computes y = alpha op(A) x + beta y of an (m,n) matrix A. If trans is
// set, op is the transposition: x has m numbers and y has n. If beta is 0, y
// is not read.
func Gemv(w *layers.Workers, trans bool, m, n int, alpha float32, a []float32, lda int, x []float32, beta float32, y []float32) {
	kernel.Gemv(w, trans, m, n, alpha, a, lda, x, beta, y)
}

// Softmax sets y to exp(x)/Σ exp(x), summed over the channels of blobs of
// outer × channels × inner numbers. The largest x of the channels is
// subtracted first, so that nothing overflows. y may be x.
func Softmax(w *layers.Workers, x, y []float32, outer, channels, inner int) {
	kernel.Softmax(w, x, y, outer, channels, inner)
}

// SoftmaxBackward sets dx to (dy - Σ dy·y)·y, summed over the channels as in
// Softmax. dx may be dy.
func SoftmaxBackward(w *layers.Workers, y, dy, dx []float32, outer, channels, inner int) {
	kernel.SoftmaxBackward(w, y, dy, dx, outer, channels, inner)
}
