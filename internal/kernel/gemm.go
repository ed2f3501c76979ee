package kernel

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// gemmDepth is how much of k a micro-kernel sums at a time: 512 rows of
	// a panel are 128 KiB and stay in the L2 cache.
	gemmDepth = 512

	// gemmRows is about how many rows of C a task computes.
	gemmRows = 8 * tileRows

	// gemmPacked is about how many packed numbers of a matrix there are at a
	// time, and gemmPackedDepth how much of k. 4 MiB are written and read again
	// within the L3 cache.
	gemmPacked      = 1 << 20
	gemmPackedDepth = 2048

	// gemmShallow is the k up to which C is the larger part of what a product
	// reads and writes, so that its rows are gone through in order.
	gemmShallow = 64
)

// Gemm computes C = alpha op(A) op(B) + beta C of row-major matrices, where op
// is the transposition or nothing. op(A) is (m,k), op(B) is (k,n) and C is
// (m,n); lda, ldb and ldc are the distances between rows as stored. If beta is
// 0, C is not read.
func Gemm(p *Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
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
	if n == 1 && ldc == 1 && (ldb == 1 || transB) {
		// One column: C = op(A) b.
		rows, cols := m, k
		if transA {
			rows, cols = k, m
		}
		gemv(p, transA, rows, cols, alpha, a, lda, b, beta, c)
		return
	}
	if m == 1 && (lda == 1 || !transA) {
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
	if !transA && transB && dotFits(m, n, k, lda, ldb) {
		t := dotTasks.Get()
		t.run(op.Pool(), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		dotTasks.Put(t)
		return
	}
	if lanes := micros[active].lanes; !transA && !transB && lineFits(m, n, k, ldb) {
		whole := n / lanes * lanes
		t := lineTasks.Get()
		t.run(op, m, whole, k, alpha, a, lda, b, ldb, beta, c, ldc)
		lineTasks.Put(t)
		if whole == n {
			return
		}
		n, b, c = n-whole, b[whole:], c[whole:]
	}
	t := gemmTasks.Get()
	t.run(op, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	t.a, t.b, t.c, t.packed, t.packedA = nil, nil, nil, nil, nil
	gemmTasks.Put(t)
}

// The tasks that are not in use. They keep their tables.
var (
	gemmTasks parallel.FreeList[gemmTask]
	dotTasks  parallel.FreeList[dotTask]
	lineTasks parallel.FreeList[lineTask]
)

// checkMatrix panics if x does not hold a (rows,cols) matrix of row distance ld.
func checkMatrix(name string, rows, cols int, x []float32, ld int) {
	if ld < cols {
		panic(fmt.Sprintf("kernel: Gemm: the rows of %s are %d apart and %d long", name, ld, cols))
	}
	if want := (rows-1)*ld + cols; len(x) < want {
		panic(fmt.Sprintf("kernel: Gemm: %s has %d elements, want %d", name, len(x), want))
	}
}

// scale multiplies x by beta; 0 clears, whatever x held.
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

// gemmTask computes a block of C in two runs: the first packs op(B) into panels
// and a transposed A into pieces of rows, the second computes C by tasks of one
// panel and one piece. A micro-kernel reads an A that is not transposed where
// it lies.
type gemmTask struct {
	u              *micro
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	a, b, c        []float32
	lda, ldb, ldc  int

	pool            *Pool
	packing         bool
	panels          int // of columns
	packs           int // parts of B to pack
	depths          int // pieces of k
	first           int // row of C
	blocks          int // pieces of the rows
	block           int // rows of a piece
	packed, packedA []float32
	rows            []int32 // where the rows of a piece start, behind them those of the last, partial tile
	off             []int32 // where the numbers of a row are
}

func (t *gemmTask) run(op parallel.Op, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := &micros[active], op.Pool()
	*t = gemmTask{
		u: u, pool: p, transA: transA, transB: transB, m: m, alpha: alpha, beta: beta,
		lda: lda, ldb: ldb, c: c, ldc: ldc, rows: t.rows, off: t.off,
	}
	// Equal pieces of rows, whole tiles but for the last.
	t.block = ceilDiv(ceilDiv(m, max(1, (m+gemmRows/2)/gemmRows)), tileRows) * tileRows
	t.tables()
	// As many columns at a time as may be packed. The sum of a large k goes
	// through C.
	depth := min(k, gemmPackedDepth)
	cols := max(1, gemmPacked/depth/u.panel()) * u.panel()
	rows := m
	if transA {
		rows = max(1, gemmPacked/depth/t.block) * t.block
	}
	for k0 := 0; k0 < k; k0 += depth {
		t.k = min(depth, k-k0)
		t.depths = ceilDiv(t.k, gemmDepth)
		t.a = a[k0:]
		if transA {
			t.a = a[k0*lda:]
		}
		for j := 0; j < n; j += cols {
			t.n = min(cols, n-j)
			t.c = c[j:]
			if transB {
				t.b = b[j*ldb+k0:]
			} else {
				t.b = b[k0*ldb+j:]
			}
			t.panels = ceilDiv(t.n, u.panel())
			t.packs = t.panels * t.depths
			last := (t.panels - 1) * u.panel()
			sizeB, sizeA := (last+u.width(t.n-last))*t.k, 0
			if transA {
				sizeA = ceilDiv(min(rows, m), t.block) * t.block * t.k
			}
			shared := op.Workspace(sizeB + sizeA)
			t.packed, t.packedA = shared[:sizeB], shared[sizeB:]
			work := int64(t.k) * int64(t.n) * int64(min(rows, m))
			for t.first = 0; t.first < m; t.first += rows {
				t.blocks = ceilDiv(min(rows, m-t.first), t.block)
				t.packing = true
				packs := t.packs
				if transA {
					packs += t.blocks * t.depths
				}
				p.RunWork(work, packs, t)
				t.packing = false
				p.RunWork(work, t.panels*t.blocks, t)
				t.packs = 0 // B is packed
			}
		}
		t.beta = 1
	}
}

// tables fills rows and off. Pieces of a transposed A are packed, (k,block).
func (t *gemmTask) tables() {
	rows, off := t.lda, 1
	if t.transA {
		rows, off = 1, t.block
	}
	if rows > math.MaxInt32/t.block {
		panic(fmt.Sprintf("kernel: Gemm: the rows of A are %d apart, too far for its tables", t.lda))
	}
	if n := t.block + tileRows; cap(t.rows) < n {
		t.rows = make([]int32, n)
	}
	if cap(t.off) < gemmDepth {
		t.off = make([]int32, gemmDepth)
	}
	t.rows, t.off = t.rows[:t.block+tileRows], t.off[:gemmDepth]
	for i := range t.block {
		t.rows[i] = int32(i * rows)
	}
	rest := t.m % tileRows
	for i := range tileRows {
		t.rows[t.block+i] = int32(min(i, max(rest-1, 0)) * rows)
	}
	for i := range t.off {
		t.off[i] = int32(i * off)
	}
}

// Do packs or computes part i.
func (t *gemmTask) Do(worker, i int) {
	switch {
	case !t.packing:
		if t.k <= gemmShallow {
			t.compute(worker, i%t.panels, i/t.panels)
			return
		}
		t.compute(worker, i/t.blocks, i%t.blocks)
	case i < t.packs:
		t.pack(i/t.depths, i%t.depths)
	default:
		i -= t.packs
		t.packA(i/t.depths, i%t.depths)
	}
}

// packA packs piece d of the columns of a piece of the rows of op(A).
func (t *gemmTask) packA(block, d int) {
	i, k0 := t.first+block*t.block, d*gemmDepth
	m, k := min(t.block, t.m-i), min(gemmDepth, t.k-k0)
	dst := t.packedA[(block*t.k+k0)*t.block:]
	t.u.copyTo(k, m, t.a[k0*t.lda+i:], t.lda, dst, t.block)
}

// pack packs piece d of the rows of alpha op(B) into the panel.
func (t *gemmTask) pack(panel, d int) {
	j, k0 := panel*t.u.panel(), d*gemmDepth
	k := min(gemmDepth, t.k-k0)
	n := min(t.u.panel(), t.n-j)
	w := t.u.width(n)
	dst := t.packed[j*t.k+k0*w:][:k*w]
	if n < w {
		clear(dst)
	}
	if t.transB {
		t.u.transposeTo(n, k, t.b[j*t.ldb+k0:], t.ldb, dst, w)
	} else {
		t.u.copyTo(k, n, t.b[k0*t.ldb+j:], t.ldb, dst, w)
	}
	scale(t.alpha, dst)
}

// compute computes a piece of the rows of C, as wide as the panel.
func (t *gemmTask) compute(worker, panel, block int) {
	i, j := t.first+block*t.block, panel*t.u.panel()
	m, n := min(t.block, t.m-i), min(t.u.panel(), t.n-j)
	w := t.u.width(n)
	tile := t.u.tile(w)
	packed := t.packed[j*t.k:][:t.k*w]

	// Full tiles are computed in place, partial ones beside C.
	full := m / tileRows * tileRows
	if n < w {
		full = 0
	}
	size := tileRows
	if full == 0 {
		size = ceilDiv(m, tileRows) * tileRows
	}
	edge := t.pool.Scratch(worker, size*w)
	if t.beta != 0 && t.beta != 1 {
		for r := range m {
			scale(t.beta, t.c[(i+r)*t.ldc+j:][:n])
		}
	}
	for k0 := 0; k0 < t.k; k0 += gemmDepth {
		k := min(gemmDepth, t.k-k0)
		var x []float32
		lda := t.lda
		if t.transA {
			x, lda = t.packedA[(block*t.k+k0)*t.block:], 1
		} else {
			x = t.a[i*t.lda+k0:]
		}
		b := &packed[k0*w]
		if full > 0 {
			c := &t.c[i*t.ldc+j]
			init := c
			if k0 == 0 && t.beta == 0 {
				init = nil
			}
			tile(full/tileRows, k, &x[0], &t.rows[0], &t.off[0], b, init, t.ldc, c, t.ldc)
		}
		init := &edge[0]
		if k0 == 0 {
			init = nil
		}
		at := full
		if whole := m / tileRows * tileRows; at < whole {
			tile((whole-at)/tileRows, k, &x[0], &t.rows[0], &t.off[0], b, init, w, &edge[0], w)
			at = whole
		}
		if at < m {
			o := (at - full) * w
			if init != nil {
				init = &edge[o]
			}
			tile(1, k, &x[at*lda], &t.rows[t.block], &t.off[0], b, init, w, &edge[o], w)
		}
	}
	for r := full; r < m; r++ {
		dst, src := t.c[(i+r)*t.ldc+j:][:n], edge[(r-full)*w:]
		if t.beta == 0 {
			copy(dst, src)
			continue
		}
		for q := range dst {
			dst[q] += src[q]
		}
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
