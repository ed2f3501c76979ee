package gemm

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

// narrowRows is the approximate number of rows of C that a part of a narrowTask computes.
const narrowRows = 8 * TileRows

// narrowTask computes C = A op(B) for a C that is not wider than the panel of a TileFunc.
// It reads A in place: packing it would take long compared with the product.
type narrowTask struct {
	micro         *Micro
	pool          *parallel.Pool
	transB        bool
	m, n, k       int // k is that of a piece
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	packing bool
	width   int       // n, with the columns that fill the last vector
	packed  []float32 // alpha op(B), (k,width)
	rows    []int32   // offsets of the rows of a part
	off     []int32   // offsets of the elements of a row
}

func (t *narrowTask) run(op parallel.Op, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if lda > math.MaxInt32/narrowRows {
		panic(fmt.Sprintf("kernel: Gemm: the rows of A are %d apart, too far for its tables", lda))
	}
	*t = narrowTask{
		micro: Active(), pool: op.Pool(), transB: transB, m: m, n: n, alpha: alpha, beta: beta, lda: lda, ldb: ldb, c: c, ldc: ldc,
		rows: rowOffsets(t.rows, narrowRows, 1, lda), off: t.off,
	}
	if t.off == nil {
		t.off = rowOffsets(nil, panelDepth, 1, 1)
	}
	t.width = t.micro.Width(n)
	depth := min(k, packedDepth)
	t.packed = op.Workspace(depth * t.width)
	for k0 := 0; k0 < k; k0 += depth {
		t.k = min(depth, k-k0)
		t.a = a[k0:]
		if transB {
			t.b = b[k0:]
		} else {
			t.b = b[k0*ldb:]
		}
		work := int64(m) * int64(n) * int64(t.k)
		t.packing = true
		t.pool.RunWork(work, CeilDiv(t.k, panelDepth), t)
		t.packing = false
		t.pool.RunWork(work, CeilDiv(m, narrowRows), t)
		t.beta = 1
	}
	t.pool, t.a, t.b, t.c, t.packed = nil, nil, nil, nil, nil
}

// Do packs a piece of the rows of op(B) or computes a piece of the rows of C.
func (t *narrowTask) Do(worker, i int) {
	if t.packing {
		t.pack(i*panelDepth, min(t.k, (i+1)*panelDepth))
		return
	}
	t.compute(worker, i*narrowRows, min(t.m, (i+1)*narrowRows))
}

// pack packs the rows from to to-1 of alpha op(B).
func (t *narrowTask) pack(from, to int) {
	dst := t.packed[from*t.width : to*t.width]
	if t.n < t.width {
		clear(dst)
	}
	if t.transB {
		t.micro.TransposeTo(t.n, to-from, t.b[from:], t.ldb, dst, t.width)
	} else {
		t.micro.CopyTo(to-from, t.n, t.b[from*t.ldb:], t.ldb, dst, t.width)
	}
	scale(t.alpha, dst)
}

// compute computes the rows from to to-1 of C.
func (t *narrowTask) compute(worker, from, to int) {
	c := t.c[from*t.ldc:]
	if t.beta != 0 && t.beta != 1 {
		for r := range to - from {
			scale(t.beta, c[r*t.ldc:][:t.n])
		}
	}
	for k0 := 0; k0 < t.k; k0 += panelDepth {
		t.multiply(worker, to-from, k0, t.a[from*t.lda:], c)
	}
}

// multiply multiplies m rows of A with the part of k that begins at k0, in place if the rows
// of C are as wide as the panel, and otherwise in a buffer.
func (t *narrowTask) multiply(worker, m, k0 int, a, c []float32) {
	w, k, ldc := t.width, min(panelDepth, t.k-k0), t.ldc
	to, init := c, (*float32)(nil)
	if t.n < w {
		to, ldc = t.pool.Scratch(worker, m*w), w
	}
	if k0 > 0 || t.beta != 0 {
		init = &to[0]
		if t.n < w {
			t.micro.CopyTo(m, t.n, c, t.ldc, to, w)
		}
	}
	t.micro.Tile(w)(m, k, &a[k0], &t.rows[0], &t.off[0], &t.packed[k0*w], init, ldc, &to[0], ldc)
	if t.n < w {
		t.micro.CopyTo(m, t.n, to, w, c, t.ldc)
	}
}
