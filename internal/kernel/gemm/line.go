package gemm

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// lineDepth is the number of rows of B that a part reads at a time, and lineStrip the
	// largest number of their columns: few pages, long enough to be prefetched, with the
	// sums of the strip in the L1 cache.
	lineDepth = 64
	lineStrip = 512

	// fewRows is the number of rows of A up to which memory is the limit. fewDepth rows of
	// B are then read at a time, so few that the processor prefetches each of them, and as
	// long a run of each as there are columns for a thread, up to fewStrip: with runs of half
	// or a quarter of 4 KB it took 1.6 or 1.8 times as long. fewChunk columns are multiplied
	// by all rows of A, from the L1 cache.
	fewRows  = 8
	fewDepth = 8
	fewStrip = 4096
	fewChunk = 256

	// lineMaxRows is the maximum number of rows of A for a lineTask: with more, packing B
	// costs less than reading the rows of a strip, which are far apart, again.
	lineMaxRows = 48
)

// lineTask computes C = alpha A B + beta C for an A with few rows, or one. It reads B in
// place. Sums are in the order of k, however B is cut.
type lineTask struct {
	micro         *Micro
	pool          *parallel.Pool
	m, n, k       int
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	depth, strip int // of B, as long as the constants say
	chunk        int
	packing      bool
	panels       []LinePanel
	packed       []float32 // alpha A: for each panel and column its rows
	ramp         []int32   // offsets of the vectors of a strip
	off, tailOff []int32   // offsets of depth rows of B, or of a copy of their ends, and of the coefficients
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
		depth: lineDepth, strip: lineStrip, chunk: lineStrip,
		panels: u.LinePanels(t.panels, m), ramp: rowOffsets(t.ramp, fewStrip/u.Lanes, 1, u.Lanes), off: t.off[:0], tailOff: t.tailOff[:0],
	}
	if m <= fewRows {
		t.depth, t.chunk = fewDepth, fewChunk
		t.strip = min(fewStrip, max(lineStrip/4, RoundUp(CeilDiv(n, p.Threads()), lineStrip/4)))
	}
	for i := range t.depth {
		t.off = append(t.off, int32(i*ldb), int32(i*rows))
		t.tailOff = append(t.tailOff, int32(i*u.Lanes), int32(i*rows))
	}
	t.packed = op.Workspace(len(t.panels) * k * rows)
	t.packing = true
	p.RunWork(fewRowsWork(m, 1, k), CeilDiv(k, lineStrip), t)
	t.packing = false
	p.RunWork(fewRowsWork(m, n, k), CeilDiv(n, t.strip), t)
	t.pool, t.a, t.b, t.c, t.packed = nil, nil, nil, nil, nil
}

// Do packs a piece of the columns of A or computes a strip of the columns of C.
func (t *lineTask) Do(worker, i int) {
	if t.packing {
		t.pack(i*lineStrip, min(t.k, (i+1)*lineStrip))
		return
	}
	t.compute(worker, i*t.strip, min(t.n, (i+1)*t.strip))
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

// compute computes the columns from to to-1 of C. Those that do not fill a vector are
// computed in a copy.
func (t *lineTask) compute(worker, from, to int) {
	for r := range t.m {
		scale(t.beta, t.c[r*t.ldc+from:][:to-from])
	}
	u := t.micro
	rows, vectors, tail := u.LineRows(), (to-from)/u.Lanes, (to-from)%u.Lanes
	first := to - tail
	chunk := t.chunk / u.Lanes
	var ends, sums []float32
	if tail > 0 {
		ends = t.pool.Scratch(worker, (t.depth+t.m)*u.Lanes)
		clear(ends)
		ends, sums = ends[:t.depth*u.Lanes], ends[t.depth*u.Lanes:]
		u.CopyTo(t.m, tail, t.c[first:], t.ldc, sums, u.Lanes)
	}
	for k0 := 0; k0 < t.k; k0 += t.depth {
		k := min(t.depth, t.k-k0)
		b := t.b[k0*t.ldb:]
		if tail > 0 {
			u.CopyTo(k, tail, b[first:], t.ldb, ends, u.Lanes)
		}
		for v := 0; v < vectors; v += chunk {
			ramp := t.ramp[v:min(v+chunk, vectors)]
			for i, panel := range t.panels {
				w := &t.packed[(i*t.k+k0)*rows]
				u.Line(panel.Rows, k, &b[from], ramp, t.off, w, nil, &t.c[panel.First*t.ldc+from], ramp, t.ldc)
			}
		}
		if tail > 0 {
			for i, panel := range t.panels {
				w := &t.packed[(i*t.k+k0)*rows]
				u.Line(panel.Rows, k, &ends[0], t.ramp[:1], t.tailOff, w, nil, &sums[panel.First*u.Lanes], t.ramp[:1], u.Lanes)
			}
		}
	}
	if tail > 0 {
		u.CopyTo(t.m, tail, sums, u.Lanes, t.c[first:], t.ldc)
	}
}
