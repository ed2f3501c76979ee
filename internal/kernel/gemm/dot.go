package gemm

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// dotDepth is approximately the part of k that a FewFunc sums at a time: 4 rows of A and 6
	// of B take 20 KiB and stay in the L1 cache, those of B until they have been multiplied by
	// all rows of A. The part of B that comes next, as large, comes to the L2 cache meanwhile.
	dotDepth = 512

	// fewPiece is the number of rows of B in a part, a whole number of tiles at every level.
	fewPiece = 48

	// dotMaxRows is the maximum number of rows of A for a dotTask: with more, each row of B
	// is used so often that packing it is cheaper than loading two vectors for two and a
	// half multiply-adds.
	dotMaxRows  = 48
	dotMinDepth = 128
	dotMinCols  = 4
)

// dotTask computes C = alpha A Bᵀ + beta C for an A with few rows, or one. It packs A, and reads
// each row of B once, in place: with 8 rows of A a product is as fast as memory. A row of C does
// not depend on the number of the others.
type dotTask struct {
	micro       *Micro
	tile        fewTile
	pool        *parallel.Pool
	m, n, k     int
	alpha, beta float32
	a, b, c     []float32
	lda, ldb    int
	ldc         int

	packing bool
	depth   int       // k in whole vectors
	packed  []float32 // blocks of rows of A, each as a FewFunc reads it, of depth elements
	cols    []int32   // offsets of the rows of B, the last one repeated to fill a tile
	tails   []int32   // offsets of the rows of the last, partial vectors
}

// dotFits reports whether a dotTask is the best choice for C = A Bᵀ.
func dotFits(m, n, k, ldb int) bool {
	return m <= dotMaxRows && k >= dotMinDepth && n >= dotMinCols && n*ldb <= math.MaxInt32
}

func (t *dotTask) run(op parallel.Op, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := Active(), op.Pool()
	tile := u.fewTile(m)
	*t = dotTask{
		micro: u, tile: tile, pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		depth: RoundUp(k, u.Lanes), cols: rowOffsets(t.cols, n, tile.cols, ldb), tails: rowOffsets(t.tails, fewPiece, 1, u.Lanes),
	}
	t.packed = op.Workspace(RoundUp(m, tile.rows) * t.depth)
	t.packing = true
	p.RunWork(fewRowsWork(m, 1, k), CeilDiv(t.depth, dotDepth), t)
	t.packing = false
	p.RunWork(fewRowsWork(m, n, k), CeilDiv(n, fewPiece), t)
	t.pool, t.a, t.b, t.c, t.packed = nil, nil, nil, nil, nil
}

// fewTile returns the tile for a product with m rows. Up to four rows, memory is the limit, which
// is faster if more rows of B are read at a time.
func (u *Micro) fewTile(m int) fewTile {
	switch {
	case m == 1:
		return u.few[0]
	case m <= 4:
		return u.few[1]
	}
	return u.few[2]
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

// Do packs a piece of the columns of A or computes the products of a piece of the rows of B.
func (t *dotTask) Do(worker, i int) {
	if t.packing {
		t.pack(i*dotDepth, min(t.k, (i+1)*dotDepth))
		return
	}
	t.compute(worker, i*fewPiece, min(fewPiece, t.n-i*fewPiece))
}

// pack packs the columns from to to-1 of A. Elements without a row or a column are 0.
func (t *dotTask) pack(from, to int) {
	lanes, rows := t.micro.Lanes, t.tile.rows
	whole, rest := (to-from)/lanes, (to-from)%lanes
	for i := range RoundUp(t.m, rows) {
		dst := t.packed[(i/rows*t.depth+from)*rows+i%rows*lanes:]
		if i >= t.m {
			for p := from; p < to; p += lanes {
				clear(dst[(p-from)*rows:][:lanes])
			}
			continue
		}
		src := t.a[i*t.lda+from:]
		t.micro.CopyTo(whole, lanes, src, lanes, dst, rows*lanes)
		if rest > 0 {
			dst = dst[whole*rows*lanes:][:lanes]
			clear(dst[copy(dst, src[whole*lanes:][:rest]):])
		}
	}
}

// compute computes n columns of C from column first on.
func (t *dotTask) compute(worker, first, n int) {
	u, rows, width := t.micro, t.tile.rows, t.tile.cols
	blocks, tiles := CeilDiv(t.m, rows), CeilDiv(n, width)
	whole := t.k / u.Lanes * u.Lanes
	rest := t.k - whole
	depth := RoundUp(CeilDiv(whole, max(1, (whole+dotDepth/2)/dotDepth)), u.Lanes) // parts of equal size
	size := blocks * tiles * rows * width
	sums := t.pool.Scratch(worker, size+fewPiece*u.Lanes)
	sums, tails := sums[:size], sums[size:]
	clear(sums)
	block := func(q, k0 int) *float32 { return &t.packed[(q*t.depth+k0)*rows] }
	for j := range tiles {
		cols := &t.cols[first+j*width]
		for k0 := 0; k0 < whole; k0 += depth {
			k := min(depth, whole-k0)
			ahead := k
			if k0+k == whole { // the next rows
				ahead = width*t.ldb - k0
			}
			for q := range blocks {
				t.tile.multiply(k, block(q, k0), &t.b[k0], cols, ahead, &sums[(j*blocks+q)*rows*width])
			}
		}
	}
	if rest > 0 {
		clear(tails)
		u.CopyTo(n, rest, t.b[first*t.ldb+whole:], t.ldb, tails, u.Lanes)
		for j := range tiles {
			for q := range blocks {
				t.tile.multiply(u.Lanes, block(q, whole), &tails[0], &t.tails[j*width], 0, &sums[(j*blocks+q)*rows*width])
			}
		}
	}
	for r := range t.m {
		c := t.c[r*t.ldc+first:][:n]
		for j := 0; j < n; j += width {
			tile := sums[(j/width*blocks+r/rows)*rows*width+r%rows:]
			for i := range c[j:min(j+width, n)] {
				v := t.alpha * tile[i*rows]
				if t.beta != 0 {
					v += t.beta * c[j+i]
				}
				c[j+i] = v
			}
		}
	}
}
