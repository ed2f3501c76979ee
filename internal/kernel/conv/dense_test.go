package conv

import (
	"fmt"
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

// TestDenseFollowing checks that on one thread each piece follows the one before, from run to
// run and from block to block of the strips.
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
			d.begun.Store(int64(part))
			run := part / d.blocks
			for i := d.first(run); i < d.first(run+1); i++ {
				pieces, following = append(pieces, d.piece(i)), append(following, d.following(i, d.first(run+1)))
			}
		}
		if want := append(pieces[1:], densePiece{}); len(pieces) != d.count()*d.blocks || !slices.Equal(following, want) {
			t.Errorf("%d blocks: %v follow, want %v", d.blocks, following, want)
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
