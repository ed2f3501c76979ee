package gemm

import "github.com/gocaffe/gocaffe/parallel"

const (
	// panelDepth is the part of k that a micro-kernel sums at a time: 512 rows of a panel
	// are 64 KiB, and those of a strip 24 KiB.
	panelDepth = 512

	// blockStrips is the approximate number of strips of rows of a part: with panelDepth
	// columns of A they are 480 KiB and stay in the L2 cache from one panel to the next.
	// shallowStrips is that of a product with a small k.
	blockStrips   = 20
	shallowStrips = 4

	// threadParts is the number of parts for each thread that there are at least, where
	// there are so many panels, so that the threads end together.
	threadParts = 4

	// packedSize is the approximate number of elements of each matrix that are packed at a
	// time, and packedDepth the part of k: 4 MiB, which are written and read again within
	// the L3 cache.
	packedSize  = 1 << 20
	packedDepth = 2048

	// packRows is the number of rows of B, or of a transposed A, that are packed at a time:
	// few pages.
	packRows = 32

	// orderPanels is the number of whole panels from which on a row of B is packed at once,
	// in the order of memory. With fewer the calls take longer.
	orderPanels = 16

	// shallow is the k up to which C is the larger part of the memory that a product reads
	// and writes. Its rows are then computed in order. In strips of more than shallowStrip
	// elements, the rows below, which a BlockFunc brings to the L1 cache, are gone before they are
	// needed. A ThinFunc, which brings what is on the right to the L2 cache, computes those.
	shallow      = 64
	shallowStrip = 8 << 10

	// LineSize is the number of elements of a line of memory.
	LineSize = 16
)

// gemmTask computes a block of C in two runs: the first packs op(B) into panels and op(A)
// into strips, and the second computes C in parts of some panels and strips. A panel is some
// columns of B, (k,w) for the w columns of a BlockFunc, and a strip some rows of A, (k,rows).
type gemmTask struct {
	micro          *Micro
	pool           *parallel.Pool
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	a, b, c        []float32
	lda, ldb, ldc  int

	packing         bool
	parts           int    // of the packing of op(B); 0: it is packed
	panels, group   int    // panels, and those of a part
	strips          Strips // of op(A)
	blocks          int    // of strips
	packed, packedA []float32
}

func (t *gemmTask) run(op parallel.Op, transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	*t = gemmTask{
		micro: Active(), pool: op.Pool(), transA: transA, transB: transB,
		alpha: alpha, beta: beta, lda: lda, ldb: ldb, ldc: ldc,
	}
	// As many columns and rows at a time as can be packed. The sums over a large k are
	// continued in C.
	depth := min(k, packedDepth)
	cols := max(1, packedSize/depth/t.micro.BlockPanel()) * t.micro.BlockPanel()
	for k0 := 0; k0 < k; k0 += depth {
		t.k = min(depth, k-k0)
		from := k0
		if transA {
			from *= lda
		}
		for j := 0; j < n; j += cols {
			t.n = min(cols, n-j)
			if transB {
				t.b = b[j*ldb+k0:]
			} else {
				t.b = b[k0*ldb+j:]
			}
			rows := packedSize / depth
			buffer := op.Workspace(t.packedSize() + min(rows, m)*t.k)
			t.packed, t.packedA = buffer[:t.packedSize()], buffer[t.packedSize():]
			t.cut()
			t.multiply(m, rows, a[from:], c[j:])
		}
		t.beta = 1
	}
}

// packedSize returns the number of elements of the packed op(B).
func (t *gemmTask) packedSize() int { return RoundUp(t.n, t.micro.Lanes) * t.k }

// cut cuts op(B) into panels and the parts that pack it.
func (t *gemmTask) cut() {
	t.panels = CeilDiv(t.n, t.micro.BlockPanel())
	t.parts = CeilDiv(t.k, packRows)
	if t.transB {
		t.parts = t.panels
	}
	t.packing = true
}

// multiply computes m rows of C, as many at a time as given, and packs op(B) before unless it
// is packed.
func (t *gemmTask) multiply(m, rows int, a, c []float32) {
	for i := 0; i < m; i += rows {
		t.m = min(rows, m-i)
		t.c = c[i*t.ldc:]
		if t.transA {
			t.a = a[i:]
		} else {
			t.a = a[i*t.lda:]
		}
		t.strips = t.micro.Strips(t.m, t.k)
		work := int64(t.m) * int64(t.n) * int64(t.k)
		parts := t.strips.Count
		if t.transA {
			parts = CeilDiv(t.k, packRows)
		}
		t.packing = true
		t.pool.RunWork(work, t.parts+parts, t)
		t.packing, t.parts = false, 0

		size := blockStrips
		if t.k <= shallow {
			size = shallowStrips
		}
		t.blocks = CeilDiv(t.strips.Count, size)
		t.group = max(1, t.panels*t.blocks/(threadParts*t.pool.Threads()))
		t.pool.RunWork(work, CeilDiv(t.panels, t.group)*t.blocks, t)
	}
}

// Do packs or computes part i.
func (t *gemmTask) Do(worker, i int) {
	if t.packing {
		if i < t.parts {
			t.packB(i)
		} else {
			t.packA(i - t.parts)
		}
		return
	}
	group, block := i/t.blocks, i%t.blocks
	if t.k <= shallow {
		groups := CeilDiv(t.panels, t.group)
		group, block = i%groups, i/groups
	}
	t.compute(worker, group*t.group, min(t.panels, (group+1)*t.group), block)
}

// packA packs a strip of op(A), or some columns of all strips.
func (t *gemmTask) packA(part int) {
	if t.transA {
		t.strips.PackColumns(t.micro, part*packRows, min(t.k, (part+1)*packRows), t.a, t.lda, t.packedA)
	} else {
		t.strips.Pack(t.micro, part, t.a, t.lda, t.packedA)
	}
}

// packB packs a panel of op(B), or some rows of all panels.
func (t *gemmTask) packB(part int) {
	if t.transB {
		t.packPanel(part)
	} else {
		t.packRows(part*packRows, min(t.k, (part+1)*packRows))
	}
}

// columns returns the first column of a panel, the number of its columns, and that with
// those which fill the last vector.
func (t *gemmTask) columns(panel int) (first, n, width int) {
	first = panel * t.micro.BlockPanel()
	n = min(t.micro.BlockPanel(), t.n-first)
	return first, n, RoundUp(n, t.micro.Lanes)
}

// packPanel packs a panel of alpha Bᵀ.
func (t *gemmTask) packPanel(panel int) {
	j, n, w := t.columns(panel)
	dst := t.packed[j*t.k:][:w*t.k]
	if n < w {
		clear(dst)
	}
	t.micro.TransposeTo(n, t.k, t.b[j*t.ldb:], t.ldb, dst, w)
	scale(t.alpha, dst)
}

// packRows packs some rows of alpha B into all panels.
func (t *gemmTask) packRows(from, to int) {
	width := t.micro.BlockPanel()
	inOrder := t.n / width // panels
	if inOrder < orderPanels {
		inOrder = 0
	}
	for k := from; k < to && inOrder > 0; k++ {
		t.micro.CopyTo(inOrder, width, t.b[k*t.ldb:], width, t.packed[k*width:], t.k*width)
	}
	for panel := range t.panels {
		j, n, w := t.columns(panel)
		dst := t.packed[j*t.k+from*w:][:(to-from)*w]
		if panel >= inOrder {
			if n < w {
				clear(dst)
			}
			t.micro.CopyTo(to-from, n, t.b[from*t.ldb+j:], t.ldb, dst, w)
		}
		scale(t.alpha, dst)
	}
}

// compute computes a block of the rows of C, as wide as some panels.
func (t *gemmTask) compute(worker, from, to, block int) {
	first, end := block*t.strips.Count/t.blocks, (block+1)*t.strips.Count/t.blocks
	if t.beta != 0 && t.beta != 1 {
		j := from * t.micro.BlockPanel()
		i, _ := t.strips.Rows(first)
		last, n := t.strips.Rows(end - 1)
		for r := i; r < last+n; r++ {
			scale(t.beta, t.c[r*t.ldc+j:][:min(t.n, to*t.micro.BlockPanel())-j])
		}
	}
	if t.k <= shallow {
		for strip := first; strip < end; strip++ {
			for panel := from; panel < to; panel++ {
				t.block(worker, panel, strip, 0, nil)
			}
		}
		return
	}
	for k0 := 0; k0 < t.k; k0 += panelDepth {
		for panel := from; panel < to; panel++ {
			for strip := first; strip < end; strip++ {
				t.block(worker, panel, strip, k0, t.next(panel, to, k0, strip-first))
			}
		}
	}
}

// next returns the piece of the next panel of some that end with panel to-1, or nil.
func (t *gemmTask) next(panel, to, k0, piece int) *float32 {
	if panel++; panel == to {
		return nil
	}
	j, _, w := t.columns(panel)
	k := min(panelDepth, t.k-k0)
	at := j*t.k + k0*w
	if piece *= k * LineSize; piece < k*w {
		return &t.packed[at+piece]
	}
	return nil
}

// block computes the elements of C of a panel and a strip, with the part of k that begins
// at k0.
func (t *gemmTask) block(worker, panel, strip, k0 int, next *float32) {
	j, n, w := t.columns(panel)
	i, rows := t.strips.Rows(strip)
	k := min(panelDepth, t.k-k0)
	a, b := &t.packedA[i*t.k+k0*rows], &t.packed[j*t.k+k0*w]
	if next == nil {
		next = b
	}
	multiply := t.micro.Block(rows, w)
	add := k0 > 0 || t.beta != 0
	c := t.c[i*t.ldc+j:]
	if n == t.micro.BlockPanel() && add && t.k <= shallow && rows*t.n > shallowStrip {
		t.micro.thin[rows-1](k, a, b, w, k*w, nil, &c[0], t.ldc)
		return
	}
	if n == w {
		multiply(k, a, b, next, LineSize, nil, &c[0], t.ldc, add)
		return
	}
	edge := t.pool.Scratch(worker, rows*w)
	if add {
		t.micro.CopyTo(rows, n, c, t.ldc, edge, w)
	}
	multiply(k, a, b, next, LineSize, nil, &edge[0], w, add)
	t.micro.CopyTo(rows, n, edge, w, c, t.ldc)
}
