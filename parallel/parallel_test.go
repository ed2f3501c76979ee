package parallel

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A little work runs on the calling goroutine alone, as worker 0 and in order.
func TestRunWork(t *testing.T) {
	eachPool(func(name string, p *Pool) {
		var order []int
		p.RunWork(serialWork-1, 5, TaskFunc(func(worker, i int) {
			if worker != 0 {
				t.Errorf("threads %s: worker %d, want 0", name, worker)
			}
			order = append(order, i)
			time.Sleep(time.Millisecond) // another thread would take the next part
		}))
		for i, got := range order {
			if got != i {
				t.Errorf("threads %s: parts ran in order %v", name, order)
				break
			}
		}
		var parts atomic.Int32
		p.RunWork(serialWork, 5, TaskFunc(func(_, _ int) { parts.Add(1) }))
		if len(order) != 5 || parts.Load() != 5 {
			t.Errorf("threads %s: %d and %d parts ran, want 5", name, len(order), parts.Load())
		}
	})
}

// Parts that run at the same time have different scratch memory, and a pool
// keeps it.
func TestScratch(t *testing.T) {
	eachPool(func(name string, p *Pool) {
		const n = 1000
		fill := TaskFunc(func(worker, i int) {
			s := p.Scratch(worker, n)
			if len(s) != n {
				t.Errorf("threads %s: %d elements, want %d", name, len(s), n)
			}
			for k := range s {
				s[k] = float32(i)
			}
			for k := range s {
				if s[k] != float32(i) {
					t.Errorf("threads %s: part %d reads %g", name, i, s[k])
					return
				}
			}
		})
		p.Run(50, fill)
		if p == nil {
			return
		}
		for worker := range p.Threads() { // those that took no part get theirs now
			p.Scratch(worker, n)
		}
		if allocs := testing.AllocsPerRun(20, func() { p.Run(50, fill) }); allocs != 0 {
			t.Errorf("threads %s: %g allocations, want 0", name, allocs)
		}
	})
}

// The workspace of an operation is not touched by others on the same pool.
func TestOpWorkspace(t *testing.T) {
	eachPool(func(name string, p *Pool) {
		var wg sync.WaitGroup
		for id := range 4 {
			wg.Go(func() {
				for range 50 {
					op := p.Begin()
					w := op.Workspace(100)
					if len(w) != 100 {
						t.Errorf("threads %s: %d elements, want 100", name, len(w))
					}
					op.Pool().Run(100, TaskFunc(func(_, i int) { w[i] = float32(id) }))
					for i, v := range op.Workspace(100) {
						if v != float32(id) {
							t.Errorf("threads %s: element %d of operation %d is %g", name, i, id, v)
							break
						}
					}
					op.End()
				}
			})
		}
		wg.Wait()
		if p == nil {
			return // a sync.Pool may lose its pools
		}
		if allocs := testing.AllocsPerRun(20, func() {
			op := p.Begin()
			defer op.End()
			op.Workspace(100)
		}); allocs != 0 {
			t.Errorf("threads %s: %g allocations, want 0", name, allocs)
		}
	})
}

type counters struct{ of []atomic.Int32 }

func TestLoop(t *testing.T) {
	var pieces atomic.Int32
	loop := Loop[counters]{Body: func(c *counters, _, from, to int) {
		pieces.Add(1)
		for i := from; i < to; i++ {
			c.of[i].Add(1)
		}
	}}
	eachPool(func(name string, p *Pool) {
		for _, size := range [][2]int{{0, 8}, {1, 8}, {8, 8}, {9, 8}, {100, 7}, {5, 1}} {
			n, step := size[0], size[1]
			c := counters{make([]atomic.Int32, n)}
			pieces.Store(0)
			loop.Run(p, n, step, c)
			for i := range c.of {
				if got := c.of[i].Load(); got != 1 {
					t.Errorf("threads %s, %d by %d: integer %d ran %d times, want 1", name, n, step, i, got)
				}
			}
			if got, want := int(pieces.Load()), (n+step-1)/step; got != want {
				t.Errorf("threads %s, %d by %d: %d pieces, want %d", name, n, step, got, want)
			}
		}
		c := counters{make([]atomic.Int32, 100)}
		if allocs := testing.AllocsPerRun(20, func() { loop.Run(p, 100, 7, c) }); allocs != 0 {
			t.Errorf("threads %s: %g allocations, want 0", name, allocs)
		}
	})
	if kept := loop.free.Get(); kept.args.of != nil {
		t.Errorf("the loop keeps the arguments of its last run: %+v", kept)
	}
}

func TestFreeList(t *testing.T) {
	var list FreeList[int]
	a, b := list.Get(), list.Get()
	if a == b || *a != 0 || *b != 0 {
		t.Fatal("an empty list does not make new values")
	}
	*a = 7
	list.Put(a)
	if got := list.Get(); got != a || *got != 7 {
		t.Errorf("got %v, want the value that was put back", got)
	}
}

// TestStep checks that pieces have some thousand elements, and at least one integer.
func TestStep(t *testing.T) {
	for size, want := range map[int]int{0: 8193, 1: 8193, 100: 82, 8192: 2, 1 << 20: 1} {
		if got := Step(size); got != want {
			t.Errorf("Step(%d) = %d, want %d", size, got, want)
		}
	}
}
