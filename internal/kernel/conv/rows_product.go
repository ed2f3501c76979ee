package conv

// rowsCost is the time of a multiply-add with the copying of the planes, in multiply-adds of a
// micro-kernel.
const rowsCost = 3

// rowsProduct computes a product of groups of one channel by vectors of pixels of a row.
type rowsProduct struct {
	*product
	cut  planeRows
	zero float32 // a bias

	// Used during a run.
	stream bool      // the result is written past the caches
	sums   *rowsSums // of the gradient of the weights; nil if not requested
}

// fits reports whether rowsProduct can compute the product and should. With strides, a single row of
// x may meet only some of the taps.
func (t *rowsProduct) fits() bool {
	return t.outSize == t.dstSize && t.nTaps == t.geometry.taps && t.cut.fits(&t.window, t.geometry)
}

func (t *rowsProduct) run() {
	// An epilogue reads the result again.
	t.stream = t.cut.set.stream != nil && t.then.Epilogue == nil && streams(t.dst, t.dstSize) && streams(t.dst, t.cut.band*t.out[1])
	t.pool.RunWork(rowsCost*t.geometry.macs(), t.cut.parts(), t)
}

// Do computes part i.
func (t *rowsProduct) Do(worker, i int) {
	p, padded := t.cut.part(i), t.cut.copied()
	buf := t.pool.Scratch(worker, padded+max(t.cut.mapped(), t.cut.band*t.out[1]))
	x, y := buf[:padded], buf[padded:]
	clear(x)
	if t.sums != nil {
		clear(t.sums.of(i))
	}
	next := t.cut.first(p)
	for next.rows > 0 {
		b := next
		next = t.cut.after(p, b)
		t.cut.load(t.micro, b, t.src, y, x)
		if t.sums != nil {
			t.sums.add(i, b, next, x, y)
		}
		t.compute(b, next, x, y)
	}
}

// compute computes a band of the result from a copy of its source.
func (t *rowsProduct) compute(b, next rowBand, x, y []float32) {
	at, n := t.cut.resultAt(b), b.rows*t.out[1]
	bias := &t.zero
	if t.bias != nil {
		bias = &t.bias[b.ch]
	}
	to := t.dst[at:][:n]
	y = y[:n]
	if !t.stream {
		y = to
	}
	t.cut.convolve(b.rows, x, t.weight[b.ch*t.geometry.taps:][:t.geometry.taps], bias, y, &t.src[t.cut.sourceAt(next)])
	if t.then.sums != nil {
		t.then.sums.Piece(at, y)
	} else {
		t.finish(b.ch, 1, at, n)
	}
	if t.stream {
		t.cut.set.stream(n/16, &y[0], &to[0])
	}
}
