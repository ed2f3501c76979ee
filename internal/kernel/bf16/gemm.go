package bf16

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// packedDepth is the part of k that is packed at a time: two panels of it are 128 KiB.
	packedDepth = 2048

	// packedSize is the approximate number of elements of each matrix that are packed at a
	// time: 4 MiB.
	packedSize = 2 << 20

	// blockRows and blockCols are the rows and columns of C of a part: with packedDepth
	// columns of A, 512 KiB of each matrix, which stay in the L2 cache.
	blockRows = 8 * Side
	blockCols = 8 * Side

	// leastSide is the number of rows and columns of both matrices from which on rounding and
	// packing them takes less time than it saves.
	leastSide = 48
)

// Rounds reports whether Gemm computes a product of these sizes from rounded elements.
func Rounds(m, n, k int) bool { return min(m, n, k) >= leastSide }

// Gemm computes C = alpha op(A) op(B) + beta C, as gemm.Gemm does, from the elements of A and
// B rounded to bfloat16. Products where m, n or k is below leastSide are computed from
// float32: they use each element of a matrix so few times that memory sets their pace.
func Gemm(p *parallel.Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if !Rounds(m, n, k) || alpha == 0 {
		gemm.Gemm(p, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	multiply(p, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// multiply is Gemm for every size but 0.
func multiply(p *parallel.Pool, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemm.CheckMatrices(transA, transB, m, n, k, a, lda, b, ldb, c, ldc)
	op := p.Begin()
	defer op.End()
	t := tasks.Get()
	t.run(op, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	*t = task{off: t.off}
	tasks.Put(t)
}

// tasks are unused tasks. They keep their tables.
var tasks parallel.FreeList[task]

// task computes a block of C in three runs: the first packs op(B), the second op(A), and the
// third computes C in parts.
type task struct {
	micro          *Micro
	pool           *parallel.Pool
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	a, b, c        []float32
	lda, ldb, ldc  int

	phase                phase
	off                  []int32 // of the tiles of a panel
	tiles                int     // of a panel
	packedA, packedB     []uint32
	rowBlocks, colBlocks int
}

// A phase is a run of a task.
type phase int

const (
	packingA phase = iota
	packingB
	computing
)

func (t *task) run(op parallel.Op, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	*t = task{
		micro: Active(), pool: op.Pool(), transA: transA, transB: transB,
		alpha: alpha, beta: beta, lda: lda, ldb: ldb, ldc: ldc, off: t.off,
	}
	depth := min(k, packedDepth)
	packed := gemm.RoundUp(depth, Depth) // a tile is as deep however few elements it holds
	rows := min(gemm.RoundUp(m, Side), max(blockRows, packedSize/packed/blockRows*blockRows))
	cols := min(gemm.RoundUp(n, Side), max(blockCols, packedSize/packed/blockCols*blockCols))
	for k0 := 0; k0 < k; k0 += depth {
		t.k = min(depth, k-k0)
		t.tiles = Tiles(t.k)
		t.off = PackedOffsets(t.off[:0], t.tiles)
		panel := t.tiles * Words
		buffer := AsWords(op.Workspace((rows + cols) / Side * panel))
		t.packedA, t.packedB = buffer[:rows/Side*panel], buffer[rows/Side*panel:]
		for j := 0; j < n; j += cols {
			t.n = min(cols, n-j)
			t.b = part(transB, b, ldb, k0, j)
			for i := 0; i < m; i += rows {
				t.m = min(rows, m-i)
				t.a, t.c = part(!transA, a, lda, k0, i), c[i*ldc+j:]
				t.multiply(i == 0, j == 0 || rows < m)
			}
		}
		t.beta = 1
	}
}

// part returns the matrix x from element k0 of row or column i on. The elements of a row or
// column are adjacent if inRows is set.
func part(inRows bool, x []float32, ld, k0, i int) []float32 {
	if inRows {
		return x[i*ld+k0:]
	}
	return x[k0*ld+i:]
}

// multiply packs what is to be packed and computes C.
func (t *task) multiply(packB, packA bool) {
	work := int64(t.m) * int64(t.n) * int64(t.k) / 4
	if packB {
		t.phase = packingB
		t.pool.RunWork(work, PanelCount(t.n), t)
	}
	if packA {
		t.phase = packingA
		t.pool.RunWork(work, PanelCount(t.m), t)
	}
	t.phase = computing
	t.rowBlocks, t.colBlocks = gemm.CeilDiv(t.m, blockRows), gemm.CeilDiv(t.n, blockCols)
	t.pool.RunWork(work, t.rowBlocks*t.colBlocks, t)
}

// Do runs part i of a run.
func (t *task) Do(worker, i int) {
	size := t.tiles * Words
	switch t.phase {
	case packingA:
		t.micro.PackRows(t.pool, worker, !t.transA, min(Side, t.m-i*Side), t.k, part(!t.transA, t.a, t.lda, 0, i*Side), t.lda, t.packedA[i*size:][:size])
	case packingB:
		t.micro.packCols(t.pool, worker, t.transB, min(Side, t.n-i*Side), t.k, part(t.transB, t.b, t.ldb, 0, i*Side), t.ldb, t.packedB[i*size:][:size])
	case computing:
		row, col := i/t.colBlocks*blockRows, i%t.colBlocks*blockCols
		for r := row; r < min(row+blockRows, t.m); r += 2 * Side {
			for c := col; c < min(col+blockCols, t.n); c += 2 * Side {
				t.block(worker, r, c)
			}
		}
	}
}

// block computes a block of at most 32 rows and columns of C from the given element on.
func (t *task) block(worker, row, col int) {
	m, n := min(2*Side, t.m-row), min(2*Side, t.n-col)
	step := t.tiles * Words
	a, b, c := Packed(t.packedA, row/Side*step, m, t.off), Packed(t.packedB, col/Side*step, n, t.off), t.c[row*t.ldc+col:]
	if m%Side == 0 && n%Side == 0 && t.alpha == 1 && (t.beta == 0 || t.beta == 1) {
		t.micro.Multiply(a, b, c, t.ldc, t.beta == 1)
		return
	}
	sums := t.pool.Scratch(worker, 4*Words)
	t.micro.Multiply(a, b, sums, 2*Side, false)
	for i := range m {
		from, to := sums[i*2*Side:][:n], c[i*t.ldc:][:n]
		if t.beta == 0 {
			vec.Scale(t.alpha, from, to)
		} else {
			vec.Axpby(t.alpha, from, t.beta, to)
		}
	}
}
