package gemm

import "github.com/gocaffe/gocaffe/parallel"

const (
	// thinDepth is the number of rows of B that a ThinFunc sums at a time: a copy of 32 columns
	// of them takes 16 KiB and stays in the L1 cache.
	thinDepth = 128

	// thinPanels is the largest number of whole panels of B in a part.
	thinPanels = 8

	// thinMaxRows is the maximum number of rows of A for a thinTask: with more, packing B costs
	// little compared with the product.
	thinMaxRows  = 96
	thinMinDepth = 32
	thinMinCols  = 256
)

// thinTask computes C = alpha A B + beta C for an A with few rows, but more than a lineTask has.
// It reads B in place, and each element once: the first strip of A copies what the others read
// again. Sums are in the order of k, however B is cut.
type thinTask struct {
	micro         *Micro
	pool          *parallel.Pool
	m, n, k       int
	alpha, beta   float32
	a, b, c       []float32
	lda, ldb, ldc int

	packing bool
	width   int    // of a panel
	parts   int    // of the columns of C
	strips  Strips // of alpha A
	packed  []float32
}

// thinFits reports whether a thinTask is the best choice for C = A B.
func thinFits(m, n, k int) bool {
	return m <= thinMaxRows && n >= thinMinCols && k >= thinMinDepth
}

func (t *thinTask) run(op parallel.Op, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	u, p := Active(), op.Pool()
	*t = thinTask{
		micro: u, pool: p, m: m, n: n, k: k, alpha: alpha, beta: beta, a: a, lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
		width: u.BlockPanel(), strips: u.Strips(m, k), packed: op.Workspace(m * k),
	}
	panels := n / t.width
	t.parts = min(panels, RoundUp(CeilDiv(panels, thinPanels), threadParts*p.Threads()))
	t.packing = true
	p.RunWork(fewRowsWork(m, 1, k), t.strips.Count, t)
	t.packing = false
	p.RunWork(fewRowsWork(m, n, k), t.parts, t)
	*t = thinTask{}
}

// Do packs a strip of A or computes some columns of C.
func (t *thinTask) Do(worker, i int) {
	if t.packing {
		t.strips.Pack(t.micro, i, t.a, t.lda, t.packed)
		first, rows := t.strips.Rows(i)
		scale(t.alpha, t.packed[first*t.k:][:rows*t.k])
		return
	}
	panels := t.n / t.width
	from, to := i*panels/t.parts*t.width, (i+1)*panels/t.parts*t.width
	if i == t.parts-1 {
		to = t.n
	}
	t.compute(worker, from, to)
}

// compute computes the columns from to to-1 of C. Those that do not fill a panel are computed
// from a copy of B.
func (t *thinTask) compute(worker, from, to int) {
	for r := range t.m {
		scale(t.beta, t.c[r*t.ldc+from:][:to-from])
	}
	w := t.width
	buf := t.pool.Scratch(worker, (thinDepth+t.micro.BlockRows())*w)
	panel, edge := buf[:thinDepth*w], buf[thinDepth*w:]
	for k0 := 0; k0 < t.k; k0 += thinDepth {
		k := min(thinDepth, t.k-k0)
		for j := from; j < to; j += w {
			ahead := w // the next columns, or the first ones of the next rows
			if j+w >= to && k0+k < t.k {
				ahead = k*t.ldb - (j - from)
			} else if j+w >= to {
				ahead = w - k0*t.ldb
			}
			if j+w <= to {
				t.whole(k0, k, j, ahead, panel)
			} else {
				t.last(k0, k, j, to-j, ahead, panel, edge)
			}
		}
	}
}

// strip returns strip i of A from row k0 of B on, and the first of its rows and their number.
func (t *thinTask) strip(i, k0 int) (a *float32, first, rows int) {
	first, rows = t.strips.Rows(i)
	return &t.packed[first*t.k+k0*rows], first, rows
}

// whole adds the products of k rows of B to a panel of C that begins with column j.
func (t *thinTask) whole(k0, k, j, ahead int, panel []float32) {
	a, _, rows := t.strip(0, k0)
	to := &panel[0]
	if t.strips.Count == 1 {
		to = nil
	}
	t.micro.thin[rows-1](k, a, &t.b[k0*t.ldb+j], t.ldb, ahead, to, &t.c[j], t.ldc)
	for i := 1; i < t.strips.Count; i++ {
		a, first, rows := t.strip(i, k0)
		t.micro.Block(rows, t.width)(k, a, to, to, 0, nil, &t.c[first*t.ldc+j], t.ldc, true)
	}
}

// last adds the products of k rows of B to the last n columns of a part of C, which do not fill
// a panel.
func (t *thinTask) last(k0, k, j, n, ahead int, panel, edge []float32) {
	u := t.micro
	w := u.Width(n)
	if n < w {
		clear(panel[:k*w])
	}
	at := k0*t.ldb + j
	u.CopyTo(k, n, t.b[at:], t.ldb, panel, w)
	for i := range t.strips.Count {
		a, first, rows := t.strip(i, k0)
		c := t.c[first*t.ldc+j:]
		next := min(at+ahead+i*LineSize, len(t.b)-1) // a line of the panel for each strip
		u.CopyTo(rows, n, c, t.ldc, edge, w)
		u.Block(rows, w)(k, a, &panel[0], &t.b[next], t.ldb, nil, &edge[0], w, true)
		u.CopyTo(rows, n, edge, w, c, t.ldc)
	}
}
