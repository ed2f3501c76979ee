package gemm

import "github.com/gocaffe/gocaffe/parallel"

// A Packed is a matrix in the form that micro-kernels read, for several products with
// it, such as those of the steps of a recurrent layer. Gemm packs a matrix for each
// product, which takes longer than a product with few rows. Two goroutines must not use
// a Packed at the same time.
type Packed struct {
	task gemmTask
	data []float32

	byLines bool        // LineFuncs compute the products of the full panels
	panels  []LinePanel // of the rows of A
	coeffs  []float32   // A, transposed, during a product
	off     []int32     // offsets of coeffsDepth rows of a panel and of coeffs
	ramp    []int32     // offsets of the vectors of a panel
}

// coeffsDepth is the part of k that all rows of A are multiplied by: its rows of a panel
// stay in the L2 cache, and those of coeffs in the L1 cache.
const coeffsDepth = 512

// Pack makes b the packed op(B), which is (k,n); ldb is the distance between rows as
// stored. It keeps its storage from one matrix to the next.
func (b *Packed) Pack(p *parallel.Pool, trans bool, k, n int, x []float32, ldb int) {
	b.task = gemmTask{rows: b.task.rows, off: b.task.off, k: k, n: n}
	if k <= 0 || n <= 0 {
		return
	}
	if trans {
		checkMatrix("B", n, k, x, ldb)
	} else {
		checkMatrix("B", k, n, x, ldb)
	}
	op := p.Begin()
	defer op.End()
	u, t := Active(), &b.task
	t.micro, t.transB, t.alpha = u, trans, 1
	t.panels, t.depths = CeilDiv(n, u.Panel()), CeilDiv(k, panelDepth)
	last := (t.panels - 1) * u.Panel()
	if size := (last + u.Width(n-last)) * k; cap(b.data) < size {
		b.data = make([]float32, size)
	} else {
		b.data = b.data[:size]
	}
	t.b, t.ldb, t.packed = x, ldb, b.data
	t.packs, t.packing = t.panels*t.depths, true
	op.Pool().RunWork(int64(k)*int64(n), t.packs, t)
	t.packing, t.b = false, nil
}

// Gemm computes C = A op(B) + beta C for an A of m rows and k columns, which are lda
// apart, and a C of m rows and n columns, which are ldc apart. If beta is 0, C is not
// read.
func (b *Packed) Gemm(p *parallel.Pool, m int, a []float32, lda int, beta float32, c []float32, ldc int) {
	t := &b.task
	if m <= 0 || t.n <= 0 {
		return
	}
	checkMatrix("C", m, t.n, c, ldc)
	if t.k <= 0 {
		for i := range m {
			scale(beta, c[i*ldc:][:t.n])
		}
		return
	}
	checkMatrix("A", m, t.k, a, lda)
	op := p.Begin()
	defer op.End()
	t.pool, t.m, t.a, t.lda, t.beta, t.c, t.ldc = op.Pool(), m, a, lda, beta, c, ldc
	t.cut()
	t.blocks = CeilDiv(m, t.block)
	if b.byLines = m <= lineMaxRows; b.byLines {
		b.transpose(op)
	}
	t.pool.RunWork(int64(m)*int64(t.n)*int64(t.k), t.panels*t.blocks, b)
	t.pool, t.a, t.c, b.coeffs = nil, nil, nil, nil
}

// transpose fills the tables and coeffs.
func (b *Packed) transpose(op parallel.Op) {
	t := &b.task
	u := t.micro
	b.panels = u.LinePanels(b.panels, t.m)
	b.ramp = rowOffsets(b.ramp, u.Panel()/u.Lanes, 1, u.Lanes)
	b.off = b.off[:0]
	for i := range coeffsDepth {
		b.off = append(b.off, int32(i*u.Panel()), int32(i*t.m))
	}
	b.coeffs = op.Workspace(t.k * t.m)
	u.TransposeTo(t.m, t.k, t.a, t.lda, b.coeffs, t.m)
}

// Do computes part i of a product: a panel of the columns of C, and a piece of the rows.
func (b *Packed) Do(worker, i int) {
	t := &b.task
	panel, block := i/t.blocks, i%t.blocks
	width := t.micro.Panel()
	j := panel * width
	if !b.byLines || j+width > t.n {
		t.compute(worker, panel, block)
		return
	}
	if block > 0 {
		return // the first part has all rows
	}
	for r := range t.m {
		scale(t.beta, t.c[r*t.ldc+j:][:width])
	}
	for k0 := 0; k0 < t.k; k0 += coeffsDepth {
		k := min(coeffsDepth, t.k-k0)
		x := &t.packed[j*t.k+k0*width]
		for _, rows := range b.panels {
			t.micro.Line(rows.Rows, k, x, b.ramp, b.off, &b.coeffs[k0*t.m+rows.First], nil, &t.c[rows.First*t.ldc+j], b.ramp, t.ldc)
		}
	}
}
