// Package gemm multiplies matrices with micro-kernels, which package conv uses too.
package gemm

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject gemm -out ../gemm/gemm_amd64.s -stubs ../gemm/stubs_amd64.go -pkg gemm

const (
	// panelDepth is the part of k that a micro-kernel sums at a time: 512 rows of a panel
	// are 128 KiB and stay in the L2 cache.
	panelDepth = 512

	// taskRows is the approximate number of rows of C that a task computes.
	taskRows = 8 * TileRows

	// packedSize is the approximate number of elements of a matrix that are packed at a
	// time, and packedDepth the part of k: 4 MiB, which are written and read again within
	// the L3 cache.
	packedSize  = 1 << 20
	packedDepth = 2048

	// shallow is the k up to which C is the larger part of the memory that a product reads
	// and writes. Its rows are then computed in order.
	shallow = 64
)

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
	if lanes := Active().Lanes; !transA && !transB && lineFits(m, n, k, ldb) {
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

// Unused tasks. They keep their tables.
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

// gemmTask computes a block of C in two runs: the first packs op(B) into panels
// and a transposed A into pieces of rows, the second computes C in parts of one
// panel and one piece. The micro-kernel reads A in place if it is not transposed.
type gemmTask struct {
	micro          *Micro
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	a, b, c        []float32
	lda, ldb, ldc  int

	pool            *parallel.Pool
	packing         bool
	panels          int // of columns
	packs           int // parts of B to pack
	depths          int // pieces of k
	first           int // row of C
	blocks          int // pieces of the rows
	block           int // rows of a piece
	packed, packedA []float32
	rows            []int32 // offsets of the rows of a piece, and then of those of the last, partial tile
	off             []int32 // offsets of the elements of a row
}

func (t *gemmTask) run(op parallel.Op, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := Active(), op.Pool()
	*t = gemmTask{
		micro: u, pool: p, transA: transA, transB: transB, m: m, alpha: alpha, beta: beta,
		lda: lda, ldb: ldb, c: c, ldc: ldc, rows: t.rows, off: t.off,
	}
	t.cut()
	// As many columns at a time as can be packed. The sums over a large k are
	// continued in C.
	depth := min(k, packedDepth)
	cols := max(1, packedSize/depth/u.Panel()) * u.Panel()
	rows := m
	if transA {
		rows = max(1, packedSize/depth/t.block) * t.block
	}
	for k0 := 0; k0 < k; k0 += depth {
		t.k = min(depth, k-k0)
		t.depths = CeilDiv(t.k, panelDepth)
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
			t.panels = CeilDiv(t.n, u.Panel())
			t.packs = t.panels * t.depths
			last := (t.panels - 1) * u.Panel()
			sizeB, sizeA := (last+u.Width(t.n-last))*t.k, 0
			if transA {
				sizeA = CeilDiv(min(rows, m), t.block) * t.block * t.k
			}
			shared := op.Workspace(sizeB + sizeA)
			t.packed, t.packedA = shared[:sizeB], shared[sizeB:]
			work := int64(t.k) * int64(t.n) * int64(min(rows, m))
			for t.first = 0; t.first < m; t.first += rows {
				t.blocks = CeilDiv(min(rows, m-t.first), t.block)
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

// cut splits the rows into equal pieces of whole tiles, except for the last, and fills
// the tables.
func (t *gemmTask) cut() {
	t.block = CeilDiv(CeilDiv(t.m, max(1, (t.m+taskRows/2)/taskRows)), TileRows) * TileRows
	t.tables()
}

// tables fills rows and off. Pieces of a transposed A are packed as (k,block).
func (t *gemmTask) tables() {
	rows, off := t.lda, 1
	if t.transA {
		rows, off = 1, t.block
	}
	if rows > math.MaxInt32/t.block {
		panic(fmt.Sprintf("kernel: Gemm: the rows of A are %d apart, too far for its tables", t.lda))
	}
	if n := t.block + TileRows; cap(t.rows) < n {
		t.rows = make([]int32, n)
	}
	if cap(t.off) < panelDepth {
		t.off = make([]int32, panelDepth)
	}
	t.rows, t.off = t.rows[:t.block+TileRows], t.off[:panelDepth]
	for i := range t.block {
		t.rows[i] = int32(i * rows)
	}
	rest := t.m % TileRows
	for i := range TileRows {
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
		if t.k <= shallow {
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
	i, k0 := t.first+block*t.block, d*panelDepth
	m, k := min(t.block, t.m-i), min(panelDepth, t.k-k0)
	dst := t.packedA[(block*t.k+k0)*t.block:]
	t.micro.CopyTo(k, m, t.a[k0*t.lda+i:], t.lda, dst, t.block)
}

// pack packs piece d of the rows of alpha op(B) into the panel.
func (t *gemmTask) pack(panel, d int) {
	j, k0 := panel*t.micro.Panel(), d*panelDepth
	k := min(panelDepth, t.k-k0)
	n := min(t.micro.Panel(), t.n-j)
	w := t.micro.Width(n)
	dst := t.packed[j*t.k+k0*w:][:k*w]
	if n < w {
		clear(dst)
	}
	if t.transB {
		t.micro.TransposeTo(n, k, t.b[j*t.ldb+k0:], t.ldb, dst, w)
	} else {
		t.micro.CopyTo(k, n, t.b[k0*t.ldb+j:], t.ldb, dst, w)
	}
	scale(t.alpha, dst)
}

// compute computes a piece of the rows of C, as wide as the panel.
func (t *gemmTask) compute(worker, panel, block int) {
	i, j := t.first+block*t.block, panel*t.micro.Panel()
	m, n := min(t.block, t.m-i), min(t.micro.Panel(), t.n-j)
	w := t.micro.Width(n)
	tile := t.micro.Tile(w)
	packed := t.packed[j*t.k:][:t.k*w]

	// Full tiles are computed in place, partial ones in a buffer.
	full := m / TileRows * TileRows
	if n < w {
		full = 0
	}
	size := TileRows
	if full == 0 {
		size = CeilDiv(m, TileRows) * TileRows
	}
	edge := t.pool.Scratch(worker, size*w)
	if t.beta != 0 && t.beta != 1 {
		for r := range m {
			scale(t.beta, t.c[(i+r)*t.ldc+j:][:n])
		}
	}
	for k0 := 0; k0 < t.k; k0 += panelDepth {
		k := min(panelDepth, t.k-k0)
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
			tile(full/TileRows, k, &x[0], &t.rows[0], &t.off[0], b, init, t.ldc, c, t.ldc)
		}
		init := &edge[0]
		if k0 == 0 {
			init = nil
		}
		at := full
		if whole := m / TileRows * TileRows; at < whole {
			tile((whole-at)/TileRows, k, &x[0], &t.rows[0], &t.off[0], b, init, w, &edge[0], w)
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
