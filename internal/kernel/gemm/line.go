package gemm

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// lineDepth is the number of rows of B that a part reads at a time, and lineStrip that
	// of their columns: few pages, long enough to be prefetched, with the sums of the strip
	// in the L1 cache.
	lineDepth = 64
	lineStrip = 512

	// lineMaxRows is the maximum number of rows of A for a lineTask: with more, packing B
	// costs less than reading the rows of a strip, which are far apart, again.
	lineMaxRows = 48
)

// lineTask computes C = alpha A B + beta C for an A with few rows and a number of columns
// that is a multiple of the lanes. It reads B in place.
type lineTask struct {
	micro         *Micro
	pool          *parallel.Pool
	m, n, k       int
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	packing   bool
	panels    []LinePanel
	packed    []float32 // alpha A: for each panel and column its rows
	ramp, off []int32   // offsets of the vectors of a strip, and of lineDepth rows
}

// lineFits reports whether a lineTask is the best choice for C = A B.
func lineFits(m, n, k, ldb int) bool {
	return m <= lineMaxRows && n >= lineStrip/2 && k >= lineDepth/2 && lineDepth*ldb <= math.MaxInt32
}

func (t *lineTask) run(op parallel.Op, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := Active(), op.Pool()
	rows := u.LineRows()
	*t = lineTask{
		micro: u, pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		panels: u.LinePanels(t.panels, m), ramp: rowOffsets(t.ramp, lineStrip/u.Lanes, 1, u.Lanes), off: t.off[:0],
	}
	for i := range lineDepth {
		t.off = append(t.off, int32(i*ldb), int32(i*rows))
	}
	t.packed = op.Workspace(len(t.panels) * k * rows)
	work := int64(m) * int64(n) * int64(k)
	t.packing = true
	p.RunWork(work, CeilDiv(k, lineStrip), t)
	t.packing = false
	p.RunWork(work, CeilDiv(n, lineStrip), t)
	t.pool, t.a, t.b, t.c, t.packed = nil, nil, nil, nil, nil
}

// Do packs a piece of the columns of A or computes a strip of the columns of C.
func (t *lineTask) Do(_, i int) {
	if t.packing {
		t.pack(i*lineStrip, min(t.k, (i+1)*lineStrip))
		return
	}
	t.compute(i*lineStrip, min(t.n, (i+1)*lineStrip))
}

// pack packs the columns from to to-1 of alpha A.
func (t *lineTask) pack(from, to int) {
	rows := t.micro.LineRows()
	for i, panel := range t.panels {
		dst := t.packed[i*t.k*rows:][:t.k*rows]
		for r := range panel.Rows {
			for p, v := range t.a[(panel.First+r)*t.lda+from:][:to-from] {
				dst[(from+p)*rows+r] = t.alpha * v
			}
		}
	}
}

// compute computes the columns from to to-1 of C.
func (t *lineTask) compute(from, to int) {
	for r := range t.m {
		scale(t.beta, t.c[r*t.ldc+from:][:to-from])
	}
	rows := t.micro.LineRows()
	vectors := (to - from) / t.micro.Lanes
	for k0 := 0; k0 < t.k; k0 += lineDepth {
		k := min(lineDepth, t.k-k0)
		for i, panel := range t.panels {
			w := &t.packed[(i*t.k+k0)*rows]
			b, c := &t.b[k0*t.ldb+from], &t.c[panel.First*t.ldc+from]
			t.micro.Line(panel.Rows, k, b, t.ramp[:vectors], t.off, w, nil, c, t.ramp[:vectors], t.ldc)
		}
	}
}
