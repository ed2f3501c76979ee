package gemm

import (
	"github.com/gocaffe/gocaffe/internal/sysmem"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Packed is a matrix in the form that micro-kernels read, for several products with
// it, such as those of the steps of a recurrent layer. Gemm packs a matrix for each
// product, which takes longer than a product with few rows. Two goroutines must not use
// a Packed at the same time.
type Packed struct {
	task gemmTask
	data []float32
}

// Pack makes b the packed op(B), which is (k,n); ldb is the distance between rows as
// stored. It keeps its storage from one matrix to the next.
func (b *Packed) Pack(p *parallel.Pool, trans bool, k, n int, x []float32, ldb int) {
	t := &b.task
	*t = gemmTask{micro: Active(), k: k, n: n, transB: trans, alpha: 1, b: x, ldb: ldb}
	if k <= 0 || n <= 0 {
		return
	}
	if trans {
		checkMatrix("B", n, k, x, ldb)
	} else {
		checkMatrix("B", k, n, x, ldb)
	}
	if size := t.packedSize(); cap(b.data) < size {
		b.data = sysmem.Floats(size)
	}
	op := p.Begin()
	defer op.End()
	t.pool, t.packed = op.Pool(), b.data[:t.packedSize()]
	t.cut()
	t.pool.RunWork(int64(k)*int64(n), t.parts, t)
	t.pool, t.b, t.parts = nil, nil, 0
}

// Gemm computes C = A op(B) + beta C for an A of m rows and k columns, which are lda
// apart, and a C of m rows and n columns, which are ldc apart. If beta is 0, C is not
// read.
func (b *Packed) Gemm(p *parallel.Pool, m int, a []float32, lda int, beta float32, c []float32, ldc int) {
	t := &b.task
	if m <= 0 || t.n <= 0 {
		return
	}
	checkMatrix("C", m, t.n, c, ldc)
	if t.k <= 0 {
		for i := range m {
			scale(beta, c[i*ldc:][:t.n])
		}
		return
	}
	checkMatrix("A", m, t.k, a, lda)
	op := p.Begin()
	defer op.End()
	rows := min(m, max(1, packedSize/t.k))
	t.pool, t.lda, t.beta, t.ldc = op.Pool(), lda, beta, ldc
	t.packedA = op.Workspace(rows * t.k)
	t.multiply(m, rows, a, c)
	t.pool, t.a, t.c, t.packedA = nil, nil, nil, nil
}
