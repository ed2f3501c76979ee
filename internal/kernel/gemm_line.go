package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// lineDepth is how many rows of B a task of lineTask goes along at a time,
	// lineStrip how many columns it takes of them: few pages, long enough to be
	// fetched ahead, with the sums of the strip in the L1 cache.
	lineDepth = 64
	lineStrip = 512

	// lineMaxRows is how many rows of A are few enough. With more, packing B
	// costs less than reading the rows of a strip, which lie far apart, again.
	lineMaxRows = 48
)

// lineTask computes C = alpha A B + beta C for an A of few rows, and a number
// of columns that is a multiple of the lanes. B is read where it lies.
type lineTask struct {
	u             *micro
	pool          *Pool
	m, n, k       int
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	packing   bool
	panels    []linePanel
	packed    []float32 // alpha A: for each panel and p its rows
	ramp, off []int32   // the places of the vectors of a strip; those of lineDepth rows
}

// A linePanel is some rows of a lineFunc: panels of nearly equal size make up
// all rows.
type linePanel struct{ first, rows int }

// linePanels cuts n rows into panels for lineFuncs.
func (u *micro) linePanels(list []linePanel, n int) []linePanel {
	list = list[:0]
	for left := ceilDiv(n, len(u.lines)); left > 0; left-- {
		first := 0
		if last := len(list) - 1; last >= 0 {
			first = list[last].first + list[last].rows
		}
		list = append(list, linePanel{first, ceilDiv(n-first, left)})
	}
	return list
}

// lineFits reports whether a lineTask is the best way for C = A B.
func lineFits(m, n, k, ldb int) bool {
	return m <= lineMaxRows && n >= lineStrip/2 && k >= lineDepth/2 && lineDepth*ldb <= math.MaxInt32
}

func (t *lineTask) run(op parallel.Op, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := &micros[active], op.Pool()
	rows := len(u.lines)
	*t = lineTask{
		u: u, pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		panels: u.linePanels(t.panels, m), ramp: fillPlaces(t.ramp, lineStrip/u.lanes, 1, u.lanes), off: t.off[:0],
	}
	for i := range lineDepth {
		t.off = append(t.off, int32(i*ldb), int32(i*rows))
	}
	t.packed = op.Workspace(len(t.panels) * k * rows)
	work := int64(m) * int64(n) * int64(k)
	t.packing = true
	p.RunWork(work, ceilDiv(k, lineStrip), t)
	t.packing = false
	p.RunWork(work, ceilDiv(n, lineStrip), t)
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
	rows := len(t.u.lines)
	for i, panel := range t.panels {
		dst := t.packed[i*t.k*rows:][:t.k*rows]
		for r := range panel.rows {
			for p, v := range t.a[(panel.first+r)*t.lda+from:][:to-from] {
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
	rows, widest := len(t.u.lines), len(t.u.lines[0])
	vectors := (to - from) / t.u.lanes
	for k0 := 0; k0 < t.k; k0 += lineDepth {
		k := min(lineDepth, t.k-k0)
		for i, panel := range t.panels {
			w := &t.packed[(i*t.k+k0)*rows]
			b, c := &t.b[k0*t.ldb+from], &t.c[panel.first*t.ldc+from]
			at := vectors / widest * widest
			if at > 0 {
				t.u.lines[panel.rows-1][widest-1](at/widest, k, b, &t.ramp[0], &t.off[0], w, nil, c, &t.ramp[0], t.ldc)
			}
			if at < vectors {
				t.u.lines[panel.rows-1][vectors-at-1](1, k, b, &t.ramp[at], &t.off[0], w, nil, c, &t.ramp[at], t.ldc)
			}
		}
	}
}
