package gemm

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// dotDepth is the part of k that a tile of dot products sums at a time: six rows of
	// 4 KiB stay in the L1 cache while they are multiplied by all rows of the other matrix.
	dotDepth = 512

	// dotPiece and dotRowPiece are the numbers of rows of B and of A in a part. 48 is a
	// whole number of tiles at every level.
	dotPiece    = 48
	dotRowPiece = 64

	// dotMaxRows is the maximum number of rows of A for a dotTask: with more, each row of B
	// is used so often that packing it is cheaper than loading two vectors for two and a
	// half multiply-adds.
	dotMaxRows  = 48
	dotMinDepth = 128
)

// dotTask computes C = alpha A Bᵀ + beta C for an A with few rows, or one. It reads each
// row of B once, in place: with 16 rows of A a product is as fast as memory. A row of C
// does not depend on the number of the others.
type dotTask struct {
	micro       *Micro
	dots        DotsFunc // of height rows of A and width of B
	height      int
	width       int
	pool        *parallel.Pool
	m, n, k     int
	alpha, beta float32
	a, b, c     []float32
	lda, ldb    int
	ldc         int
	pieces      int     // of the rows of B
	rows, cols  []int32 // offsets of the rows of A and of B, the last one repeated to fill a tile
	tails       []int32 // offsets of the rows of the last, partial vectors
}

// dotFits reports whether a dotTask is the best choice for C = A Bᵀ.
func dotFits(m, n, k, lda, ldb int) bool {
	return m <= dotMaxRows && k >= dotMinDepth && n >= DotRows && max(m*lda, n*ldb) <= math.MaxInt32
}

func (t *dotTask) run(p *parallel.Pool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u := Active()
	dots, height, width := u.Dots, DotRows, u.DotCols
	if m == 1 {
		dots, height, width = u.one, 1, oneCols
	}
	*t = dotTask{
		micro: u, dots: dots, height: height, width: width,
		pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		rows: rowOffsets(t.rows, m, height, lda), cols: rowOffsets(t.cols, n, width, ldb),
		tails: rowOffsets(t.tails, dotPiece+dotRowPiece, 1, u.Lanes),
	}
	t.pieces = CeilDiv(n, dotPiece)
	p.RunWork(fewRowsWork(m, n, k), t.pieces*CeilDiv(m, dotRowPiece), t)
	t.pool, t.a, t.b, t.c = nil, nil, nil, nil
}

// fewRowsWork returns the work of a product with few rows for RunWork: with less than eight
// it takes as long to read an element of B as to multiply it by eight.
func fewRowsWork(m, n, k int) int64 { return int64(max(m, 8)) * int64(n) * int64(k) }

// rowOffsets sets list to the offsets i*step of n rows, with the last one repeated
// up to a multiple of unit.
func rowOffsets(list []int32, n, unit, step int) []int32 {
	want := CeilDiv(n, unit) * unit
	if cap(list) < want {
		list = make([]int32, want)
	}
	list = list[:want]
	for i := range list {
		list[i] = int32(min(i, n-1) * step)
	}
	return list
}

// Do computes the products of a piece of the rows of A and a piece of the rows of B.
func (t *dotTask) Do(worker, i int) {
	u := t.micro
	i0, j0 := i/t.pieces*dotRowPiece, i%t.pieces*dotPiece
	m, n := min(dotRowPiece, t.m-i0), min(dotPiece, t.n-j0)
	blocks, tiles := CeilDiv(m, t.height), CeilDiv(n, t.width)
	tile := t.height * t.width
	rest := t.k % u.Lanes
	whole := t.k - rest
	size := blocks * tiles * tile
	sums := t.pool.Scratch(worker, size+(dotPiece+dotRowPiece)*u.Lanes)
	sums, tails := sums[:size], sums[size:]
	clear(sums)
	for j := range tiles {
		for k0 := 0; k0 < whole; k0 += dotDepth {
			k := min(dotDepth, whole-k0)
			for q := range blocks {
				t.dots(k, &t.a[k0], &t.rows[i0+q*t.height], &t.b[k0], &t.cols[j0+j*t.width], &sums[(j*blocks+q)*tile])
			}
		}
	}
	if rest > 0 {
		clear(tails)
		for r := range m {
			copy(tails[r*u.Lanes:], t.a[(i0+r)*t.lda+whole:][:rest])
		}
		for r := range n {
			copy(tails[(dotRowPiece+r)*u.Lanes:], t.b[(j0+r)*t.ldb+whole:][:rest])
		}
		for j := range tiles {
			for q := range blocks {
				t.dots(u.Lanes, &tails[0], &t.tails[q*t.height], &tails[0], &t.tails[dotRowPiece+j*t.width], &sums[(j*blocks+q)*tile])
			}
		}
	}
	for r := range m {
		c := t.c[(i0+r)*t.ldc+j0:][:n]
		for j := range c {
			v := t.alpha * sums[(j/t.width*blocks+r/t.height)*tile+j%t.width*t.height+r%t.height]
			if t.beta != 0 {
				v += t.beta * c[j]
			}
			c[j] = v
		}
	}
}
