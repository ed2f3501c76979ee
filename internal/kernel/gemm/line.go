package gemm

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// lineMaxRows is the maximum number of rows of A for a lineTask: with more, a thinTask, which
	// reads and writes C less often, reads B as fast.
	lineMaxRows = 2

	// A lineTask reads lineDepth rows of B at a time, so few that the processor prefetches each
	// of them, and as long a run of each as there are columns for a thread, up to lineStrip:
	// with runs of half or a quarter of 4 KB it took 1.6 or 1.8 times as long.
	lineDepth = 8
	lineStrip = 4096

	// lineUnit divides the number of columns of each part but the last. So many columns of A are
	// packed at a time.
	lineUnit = 128
)

// lineTask computes C = alpha A B + beta C for an A with one or two rows. It reads B in
// place. Sums are in the order of k, however B is cut.
type lineTask struct {
	micro         *Micro
	pool          *parallel.Pool
	m, n, k       int
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	strip        int // columns of a part
	packing      bool
	packed       []float32 // alpha A, transposed
	ramp         []int32   // offsets of the vectors of a strip
	off, tailOff []int32   // offsets of lineDepth rows of B, or of a copy of their ends, and of the coefficients
}

// lineFits reports whether a lineTask is the best choice for C = A B.
func lineFits(m, n, k, ldb int) bool {
	return m <= lineMaxRows && n >= thinMinCols && k >= thinMinDepth && lineDepth*ldb <= math.MaxInt32
}

func (t *lineTask) run(op parallel.Op, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := Active(), op.Pool()
	*t = lineTask{
		micro: u, pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		strip: min(lineStrip, max(lineUnit, RoundUp(CeilDiv(n, p.Threads()), lineUnit))),
		ramp:  rowOffsets(t.ramp, lineStrip/u.Lanes, 1, u.Lanes), off: t.off[:0], tailOff: t.tailOff[:0],
	}
	for i := range lineDepth {
		t.off = append(t.off, int32(i*ldb), int32(i*m))
		t.tailOff = append(t.tailOff, int32(i*u.Lanes), int32(i*m))
	}
	t.packed = op.Workspace(m * k)
	t.packing = true
	p.RunWork(fewRowsWork(m, 1, k), CeilDiv(k, lineUnit), t)
	t.packing = false
	p.RunWork(fewRowsWork(m, n, k), CeilDiv(n, t.strip), t)
	t.pool, t.a, t.b, t.c, t.packed = nil, nil, nil, nil, nil
}

// Do packs a piece of the columns of A or computes a strip of the columns of C.
func (t *lineTask) Do(worker, i int) {
	if t.packing {
		t.pack(i*lineUnit, min(t.k, (i+1)*lineUnit))
		return
	}
	t.compute(worker, i*t.strip, min(t.n, (i+1)*t.strip))
}

// pack packs the columns from to to-1 of alpha A.
func (t *lineTask) pack(from, to int) {
	for r := range t.m {
		for p, v := range t.a[r*t.lda+from:][:to-from] {
			t.packed[(from+p)*t.m+r] = t.alpha * v
		}
	}
}

// compute computes the columns from to to-1 of C. Those that do not fill a vector are
// computed in a copy.
func (t *lineTask) compute(worker, from, to int) {
	for r := range t.m {
		scale(t.beta, t.c[r*t.ldc+from:][:to-from])
	}
	u := t.micro
	vectors, tail := (to-from)/u.Lanes, (to-from)%u.Lanes
	first := to - tail
	var ends, sums []float32
	if tail > 0 {
		ends = t.pool.Scratch(worker, (lineDepth+t.m)*u.Lanes)
		clear(ends)
		ends, sums = ends[:lineDepth*u.Lanes], ends[lineDepth*u.Lanes:]
		u.CopyTo(t.m, tail, t.c[first:], t.ldc, sums, u.Lanes)
	}
	for k0 := 0; k0 < t.k; k0 += lineDepth {
		k := min(lineDepth, t.k-k0)
		a, b := &t.packed[k0*t.m], t.b[k0*t.ldb:]
		if tail > 0 {
			u.CopyTo(k, tail, b[first:], t.ldb, ends, u.Lanes)
		}
		ramp := t.ramp[:vectors]
		u.Line(t.m, k, &b[from], ramp, t.off, a, nil, &t.c[from], ramp, t.ldc)
		if tail > 0 {
			u.Line(t.m, k, &ends[0], t.ramp[:1], t.tailOff, a, nil, &sums[0], t.ramp[:1], u.Lanes)
		}
	}
	if tail > 0 {
		u.CopyTo(t.m, tail, sums, u.Lanes, t.c[first:], t.ldc)
	}
}
