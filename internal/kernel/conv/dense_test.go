package conv

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestDenseAhead checks that the lines of memory that BlockFuncs bring into the cache are those
// of the pixels of the next piece.
func TestDenseAhead(t *testing.T) {
	for _, params := range []Params{
		square(2, 64, 64, 1, 40, 1, 0, 1, 1), square(9, 96, 100, 2, 7, 1, 0, 1, 1), square(2, 600, 64, 1, 15, 1, 0, 1, 1),
		square(2, 64, 64, 1, 40, 1, 0, 2, 1), square(5, 64, 64, 1, 19, 1, 0, 3, 1),
	} {
		t.Run(fmt.Sprint(params.Channels, params.In, params.Stride), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				c, err := New(params)
				if err != nil {
					t.Fatal(err)
				}
				d := &c.direct.forward.dense
				c.direct.forward.prepare()
				op := (*parallel.Pool)(nil).Begin()
				defer op.End()
				d.product.set(op, make([]float32, params.Batch*params.Channels*c.inSize), nil, nil, nil)
				d.cut(128)
				if d.count() < 2 {
					t.Fatalf("%d pieces", d.count())
				}
				for i := range d.count() {
					checkAhead(t, d, d.piece(i))
				}
			})
		})
	}
}

// checkAhead checks the lines of the last channels of a piece.
func checkAhead(t *testing.T, d *dense, p densePiece) {
	t.Helper()
	const depth = 20 // of the calls of BlockFuncs
	first := d.channels - 3*depth/2
	ahead := denseAhead{dense: d, densePiece: p, channel: first, end: d.channels, depth: depth}
	lines := make(map[uintptr]bool)
	var none float32
	for {
		next, step := ahead.line(&none)
		if next == &none {
			break
		}
		for i := range min(depth, ahead.end-first) {
			lines[(uintptr(unsafe.Pointer(next))+4*uintptr(i*step))/(4*gemm.LineSize)] = true
		}
	}
	for q := p.from; q < p.to; q++ {
		plane, pixel, _ := d.place(p, q)
		if d.rowAt != nil {
			pixel, _, _ = d.strided(pixel)
		}
		for _, k := range []int{first, first + depth - 1, first + depth, d.channels - 1} {
			at := &d.src[(plane*d.channels+k)*d.srcSize+pixel]
			if !lines[uintptr(unsafe.Pointer(at))/(4*gemm.LineSize)] {
				t.Fatalf("piece %+v: pixel %d of channel %d is not brought", p, q, k)
			}
		}
	}
}

// TestDenseFollowing checks that each piece follows the one before, from run to run and from
// block to block of the strips.
func TestDenseFollowing(t *testing.T) {
	c, err := New(square(3, 64, 96, 1, 40, 1, 0, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	d := &c.direct.forward.dense
	c.direct.forward.prepare()
	d.micro = gemm.Active()
	d.cut(300)
	for d.blocks = 1; d.blocks <= 2; d.blocks++ {
		d.runs = 4
		var pieces, following []densePiece
		for part := range d.runs * d.blocks {
			run := part / d.blocks
			for i := d.first(run); i < d.first(run+1); i++ {
				pieces, following = append(pieces, d.piece(i)), append(following, d.following(i, d.first(run+1), part))
			}
		}
		if want := append(pieces[1:], densePiece{}); len(pieces) != d.count()*d.blocks || !slices.Equal(following, want) {
			t.Errorf("%d blocks: %v follow, want %v", d.blocks, following, want)
		}
	}
}

// TestDenseShare checks that pieces cover all pixels once, for any number of threads, and that
// threads share few of them evenly.
func TestDenseShare(t *testing.T) {
	for _, params := range []Params{
		square(1, 64, 48, 1, 56, 1, 0, 1, 1), square(1, 200, 48, 1, 9, 1, 0, 1, 1), square(3, 64, 96, 2, 40, 1, 0, 1, 1), square(5, 64, 48, 1, 7, 1, 0, 1, 1),
	} {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		d := &c.direct.forward.dense
		c.direct.forward.prepare()
		d.micro = gemm.Active()
		for _, width := range []int{32, 128, 1000} {
			for parts := 1; parts <= 40; parts++ {
				d.cut(width)
				before := d.count()
				n := d.share(parts)
				planes, panels := n/d.pieces, gemm.CeilDiv(d.images*d.outSize, d.micro.BlockPanel())
				if before < 4*parts && planes == 1 && n%parts != 0 && n != panels {
					t.Errorf("%v, width %d: %d pieces for %d parts", params, width, n, parts)
				}
				if before >= 4*parts && n != before || n < before {
					t.Errorf("%v, width %d: %d pieces in place of %d", params, width, n, before)
				}
				for i, next := 0, 0; i < n; i++ {
					p := d.piece(i)
					if i%d.pieces == 0 {
						next = 0
					}
					if p.from != next || p.to <= p.from {
						t.Fatalf("%v, width %d, %d parts: piece %+v after pixel %d", params, width, parts, p, next)
					}
					if next = p.to; (i+1)%d.pieces == 0 && next != d.images*d.outSize {
						t.Fatalf("%v, width %d, %d parts: the last piece ends at %d", params, width, parts, next)
					}
				}
			}
		}
	}
}

// TestDenseFewFirst checks that runs of panels are all channels, and nearly equal.
func TestDenseFewFirst(t *testing.T) {
	for _, outputs := range []int{48, 96, 100, 160, 1000} {
		c, err := New(square(1, 64, 2*outputs, 2, 5, 1, 0, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		d := &c.direct.forward.dense
		c.direct.forward.prepare()
		d.micro = gemm.Active()
		few := denseFew{dense: d}
		for d.runs = 1; d.runs <= few.vectors(); d.runs++ {
			least := few.vectors() / d.runs * d.micro.Lanes
			for run := range d.runs {
				n := few.first(run+1) - few.first(run)
				if last := run == d.runs-1; n > least+d.micro.Lanes || !last && n < least || n <= 0 {
					t.Errorf("%d outputs, %d runs: run %d has %d channels", outputs, d.runs, run, n)
				}
			}
			if few.first(0) != 0 || few.first(d.runs) != outputs {
				t.Errorf("%d outputs, %d runs: channels %d to %d", outputs, d.runs, few.first(0), few.first(d.runs))
			}
		}
	}
}

// TestDenseFewDivide checks that threads share the pixels of few outputs, and the outputs where
// there are more of them, and that cuts are all pixels.
func TestDenseFewDivide(t *testing.T) {
	for _, test := range []struct{ side, outputs, threads, cuts int }{
		{14, 160, 1, 1}, {14, 160, 2, 2}, {14, 112, 2, 2}, {14, 250, 2, 1}, {7, 40, 2, 1}, {14, 160, 5, 1}, {20, 300, 3, 3},
	} {
		c, err := New(square(1, 64, test.outputs, 1, test.side, 1, 0, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		p := parallel.NewPool(test.threads)
		defer p.Close()
		d := &c.direct.forward.dense
		c.direct.forward.prepare()
		d.micro, d.pool = gemm.Active(), p
		few := denseFew{dense: d, rows: d.micro.Strips(d.outSize, d.channels)}
		few.divide()
		if d.micro.BlockRows() == 12 && few.cuts != test.cuts {
			t.Errorf("%+v: %d cuts", test, few.cuts)
		}
		strips, all := 0, 0
		for cut := range few.cuts {
			first, end, pixel, pixels := few.strips(cut)
			if first != strips || pixel != all || end <= first {
				t.Errorf("%+v: cut %d has %d pixels from %d on, in the strips %d to %d", test, cut, pixels, pixel, first, end-1)
			}
			strips, all = end, all+pixels
		}
		if all != d.outSize || strips != few.rows.Count {
			t.Errorf("%+v: cuts have %d pixels of %d", test, all, d.outSize)
		}
	}
}

// TestSteps takes elements from a slice, and puts them back, with zeros between.
func TestSteps(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for step := 2; step <= 3; step++ {
			for n := 1; n < 40; n++ {
				for rest := range 20 {
					x := make([]float32, (n-1)*step+1+rest)
					for i := range x {
						x[i] = float32(i + 1)
					}
					dst, free := make([]float32, n+pairLanes), make([]float32, n+pairLanes)
					takeSteps(x, step, n, dst, free)
					want := make([]float32, len(x))
					for i := range n {
						want[i*step] = x[i*step]
					}
					putSteps(x, step, n, dst, make([]float32, n+pairLanes))
					if !slices.Equal(x, want) {
						t.Fatalf("%d elements %d apart of %d: %v, want %v", n, step, len(x), x, want)
					}
				}
			}
		}
	})
}

// TestDenseGradOffsets checks that the offsets of denseGrad's rows are representable, whatever
// the size of the planes.
func TestDenseGradOffsets(t *testing.T) {
	for _, in := range []int{7, 56, 600, 2000, 16000, 20000} {
		g, err := newGeometry(square(3, 2000, 2000, 1, in, 1, 0, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		w := forwardWindow(g, 1)
		if err := w.init(g.Batch); err != nil {
			t.Fatal(err)
		}
		d := newDenseGrad(g, &w)
		if d == nil {
			if in*in <= maxCopy {
				t.Errorf("%d pixels: not computed as a product of matrices", in*in)
			}
			continue
		}
		d.prepare(gemm.Active())
		row, pixel := d.rowTable[len(d.rowTable)-1], d.offsets[len(d.offsets)-1]
		wantPixel := (d.images-1)*g.Channels*in*in + d.pixels - 1
		if int(row) != (d.rows.block-1)*in*in || int(pixel) != wantPixel || int64(row)+int64(pixel) > math.MaxInt32 {
			t.Errorf("%d pixels: the last row of %d begins at %d, the last pixel is at %d", in*in, d.rows.block, row, pixel)
		}
	}
}
