package gemm

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// gemvWork is the approximate number of elements of the matrix that a part of Gemv reads.
const gemvWork = 1 << 16

// Gemv computes y = alpha op(A) x + beta y, where A is (m,n), row major with rows
// lda apart, and op transposes if trans is set: then x has m and y has n elements.
// If beta is 0, y is not read.
func Gemv(p *parallel.Pool, trans bool, m, n int, alpha float32, a []float32, lda int, x []float32, beta float32, y []float32) {
	if m <= 0 || n <= 0 {
		return
	}
	checkMatrix("A", m, n, a, lda)
	xs, ys := n, m
	if trans {
		xs, ys = m, n
	}
	if len(x) < xs || len(y) < ys {
		panic(fmt.Sprintf("kernel: Gemv: x and y have %d and %d elements, want %d and %d", len(x), len(y), xs, ys))
	}
	gemv(p, trans, m, n, alpha, a, lda, x, beta, y)
}

func gemv(p *parallel.Pool, trans bool, m, n int, alpha float32, a []float32, lda int, x []float32, beta float32, y []float32) {
	t := gemvTasks.Get()
	*t = gemvTask{trans: trans, m: m, n: n, alpha: alpha, beta: beta, a: a, lda: lda, x: x, y: y}
	work := 8 * int64(m) * int64(n) // about as slow as this many multiply-adds of a product
	if trans {
		t.piece = min(n, max(64, gemvWork/m))
		p.RunWork(work, CeilDiv(n, t.piece), t)
	} else {
		t.piece = max(1, gemvWork/n)
		p.RunWork(work, CeilDiv(m, t.piece), t)
	}
	*t = gemvTask{}
	gemvTasks.Put(t)
}

// gemvTasks holds the unused tasks.
var gemvTasks parallel.FreeList[gemvTask]

// gemvTask computes a piece of y.
type gemvTask struct {
	trans       bool
	m, n, piece int
	alpha, beta float32
	a           []float32
	lda         int
	x, y        []float32
}

// Do computes piece i of y.
func (t *gemvTask) Do(_, i int) {
	if t.trans {
		j := i * t.piece
		y := t.y[j:min(j+t.piece, t.n)]
		scale(t.beta, y)
		for r := range t.m {
			vec.Axpy(t.alpha*t.x[r], t.a[r*t.lda+j:][:len(y)], y)
		}
		return
	}
	for r := i * t.piece; r < min((i+1)*t.piece, t.m); r++ {
		s := t.alpha * float32(vec.Dot(t.a[r*t.lda:][:t.n], t.x))
		if t.beta != 0 {
			s += t.beta * t.y[r]
		}
		t.y[r] = s
	}
}
