package kernel

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPoolRunsEveryPartOnce(t *testing.T) {
	eachPool(func(name string, p *Pool) {
		for _, n := range []int{0, 1, 2, 3, 100} {
			var calls [100]atomic.Int32
			var busy [4]atomic.Bool
			p.Run(n, TaskFunc(func(worker, i int) {
				if worker < 0 || worker >= p.Threads() {
					t.Errorf("threads %s: worker %d", name, worker)
					return
				}
				if busy[worker].Swap(true) {
					t.Errorf("threads %s: two parts run as worker %d", name, worker)
				}
				calls[i].Add(1)
				busy[worker].Store(false)
			}))
			for i := range calls {
				want := int32(0)
				if i < n {
					want = 1
				}
				if got := calls[i].Load(); got != want {
					t.Errorf("threads %s, %d parts: part %d ran %d times, want %d", name, n, i, got, want)
				}
			}
		}
	})
}

func TestPoolPanic(t *testing.T) {
	eachPool(func(name string, p *Pool) {
		for range 2 { // the pool lives on
			func() {
				defer func() {
					if r := recover(); r != "part 3" {
						t.Errorf("threads %s: recovered %v, want part 3", name, r)
					}
				}()
				p.Run(10, TaskFunc(func(_, i int) {
					if i == 3 {
						panic("part 3")
					}
				}))
				t.Errorf("threads %s: Run returned", name)
			}()
		}
	})
}

// Two goroutines may use one pool; one operation waits for the other.
func TestPoolShared(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	const n = 90
	r := rand.New(rand.NewPCG(5, 5))
	a, b := guarded(r, n*n), guarded(r, n*n)
	want := make([]float32, n*n)
	Gemm(nil, true, true, n, n, n, 1, a, n, b, n, 0, want, n)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				got := make([]float32, n*n)
				Gemm(p, true, true, n, n, n, 1, a, n, b, n, 0, got, n)
				if !slices.Equal(got, want) {
					t.Error("a product is wrong")
					return
				}
			}
		})
	}
	wg.Wait()
}
