// Package gemm multiplies matrices with micro-kernels, which package conv uses too.
package gemm

import (
	"fmt"

	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject gemm -out ../gemm/gemm_amd64.s -stubs ../gemm/stubs_amd64.go -pkg gemm
//go:generate go run -C ../_asm ./arm64 -subject gemm -out ../gemm/gemm_arm64.s -stubs ../gemm/stubs_arm64.go

// Gemm computes C = alpha op(A) op(B) + beta C of row-major matrices, where op
// transposes if its trans argument is set. op(A) is (m,k), op(B) is (k,n) and C is
// (m,n); lda, ldb and ldc are the distances between rows as stored. If beta is 0,
// C is not read.
func Gemm(p *parallel.Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m <= 0 || n <= 0 {
		return
	}
	checkMatrix("C", m, n, c, ldc)
	if k <= 0 || alpha == 0 {
		for i := range m {
			scale(beta, c[i*ldc:i*ldc+n])
		}
		return
	}
	CheckMatrices(transA, transB, m, n, k, a, lda, b, ldb, c, ldc)
	if n == 1 && ldc == 1 && (ldb == 1 || transB) {
		// One column: C = op(A) b.
		rows, cols := m, k
		if transA {
			rows, cols = k, m
		}
		gemv(p, transA, rows, cols, alpha, a, lda, b, beta, c)
		return
	}
	if m == 1 && transA && lda == 1 {
		transA, lda = false, k
	}
	dots := !transA && transB && dotFits(m, n, k, ldb)
	lines := !transA && !transB && lineFits(m, n, k, ldb)
	thin := !transA && !transB && !lines && thinFits(m, n, k)
	if m == 1 && !transA && !dots && !lines {
		// One row: C = op(B)ᵀ a.
		rows, cols := k, n
		if transB {
			rows, cols = n, k
		}
		gemv(p, !transB, rows, cols, alpha, b, ldb, a, beta, c)
		return
	}
	op := p.Begin()
	defer op.End()
	switch {
	case dots:
		t := dotTasks.Get()
		t.run(op, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		dotTasks.Put(t)
	case lines:
		t := lineTasks.Get()
		t.run(op, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		lineTasks.Put(t)
	case thin:
		t := thinTasks.Get()
		t.run(op, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		thinTasks.Put(t)
	case !transA && n <= Active().Panel():
		t := narrowTasks.Get()
		t.run(op, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		narrowTasks.Put(t)
	default:
		t := gemmTasks.Get()
		t.run(op, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		*t = gemmTask{}
		gemmTasks.Put(t)
	}
}

// Unused tasks. They keep their tables.
var (
	gemmTasks   parallel.FreeList[gemmTask]
	narrowTasks parallel.FreeList[narrowTask]
	dotTasks    parallel.FreeList[dotTask]
	lineTasks   parallel.FreeList[lineTask]
	thinTasks   parallel.FreeList[thinTask]
)

// CheckMatrices panics if a does not hold op(A), which is (m,k), b does not hold op(B), which is
// (k,n), or c does not hold C, which is (m,n).
func CheckMatrices(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	checkMatrix("C", m, n, c, ldc)
	if transA {
		checkMatrix("A", k, m, a, lda)
	} else {
		checkMatrix("A", m, k, a, lda)
	}
	if transB {
		checkMatrix("B", n, k, b, ldb)
	} else {
		checkMatrix("B", k, n, b, ldb)
	}
}

// checkMatrix panics if x does not hold a (rows,cols) matrix of row distance ld.
func checkMatrix(name string, rows, cols int, x []float32, ld int) {
	if ld < cols {
		panic(fmt.Sprintf("kernel: Gemm: the rows of %s are %d apart and %d long", name, ld, cols))
	}
	if want := (rows-1)*ld + cols; len(x) < want {
		panic(fmt.Sprintf("kernel: Gemm: %s has %d elements, want %d", name, len(x), want))
	}
}

// scale multiplies x by beta. If beta is 0, it clears x, even of NaN.
func scale(beta float32, x []float32) {
	switch beta {
	case 0:
		clear(x)
	case 1:
	default:
		for i := range x {
			x[i] *= beta
		}
	}
}
