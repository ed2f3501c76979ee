package parallel

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/leak"
)

// eachPool calls f with no pool and with pools of 1 to 4 threads.
func eachPool(f func(name string, p *Pool)) {
	f("nil", nil)
	for n := 1; n <= 4; n++ {
		p := NewPool(n)
		f(fmt.Sprint(n), p)
		p.Close()
	}
}

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
					r := recover()
					if p, ok := r.(*Panic); ok { // from another goroutine
						r = p.Value
						frame, _ := runtime.CallersFrames(p.Callers).Next()
						if frame.Function == "" || p.Error() != "part 3" {
							t.Errorf("threads %s: %v with the frame %v", name, p, frame)
						}
					}
					if r != "part 3" {
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

// Helpers that are not needed sleep, wake up when they are, and end with the
// pool in both states.
func TestPoolSleeps(t *testing.T) {
	for _, threads := range []int{2, 4} {
		leak.Check(t, func() { testPoolSleeps(t, threads) })
	}
}

func testPoolSleeps(t *testing.T, threads int) {
	p := NewPool(threads)
	asleep := func() bool {
		for i := range p.helpers {
			if p.helpers[i].state.Load() != helperSleeps {
				return false
			}
		}
		return true
	}
	for range 3 {
		var calls atomic.Int32
		together := make(chan struct{}) // all threads take part, or none returns
		p.Run(threads, TaskFunc(func(_, _ int) {
			if calls.Add(1) == int32(threads) {
				close(together)
			}
			<-together
		}))
		for end := time.Now().Add(10 * time.Second); !asleep(); time.Sleep(spinTime) {
			if time.Now().After(end) {
				t.Fatalf("%d threads: the helpers are awake though nothing runs", threads)
			}
		}
	}
	p.Close()
	p = NewPool(threads)
	p.Run(100, TaskFunc(func(_, _ int) {}))
	p.Close()
}

// A helper of the run before that wakes Run late must not end this run.
func TestPoolLateWake(t *testing.T) {
	for _, threads := range []int{2, 1 << 20} {
		var crowd crowd
		crowd.init(threads)
		var c countdown
		c.init(&crowd)
		c.n.Store(1)
		c.wake <- struct{}{}
		var finished atomic.Bool
		go func() {
			time.Sleep(20 * time.Millisecond)
			finished.Store(true)
			c.done()
		}()
		c.wait()
		if !finished.Load() {
			t.Error("Run returns while a helper works")
		}
	}
}

// TestShares checks that each thread begins with its share of the parts, and takes parts of
// others when it has none.
func TestShares(t *testing.T) {
	const threads, parts = 3, 14
	p := NewPool(threads)
	defer p.Close()
	for range 20 {
		var began, done atomic.Int32
		all, rest := make(chan struct{}), make(chan struct{})
		ran := make([][]int, threads)
		p.Run(parts, TaskFunc(func(worker, i int) {
			if ran[worker] = append(ran[worker], i); len(ran[worker]) == 1 {
				if began.Add(1) == threads {
					close(all)
				}
				<-all // every thread has a part
				if worker == 1 {
					<-rest // the others do all but the first part of this thread
					return
				}
			}
			if done.Add(1) == parts-1 {
				close(rest)
			}
		}))
		for worker, list := range ran {
			first := worker * parts / threads
			if list[0] != first || worker == 1 && len(list) != 1 {
				t.Errorf("thread %d ran parts %v, want %d first", worker, list, first)
			}
		}
	}
}

// TestDrop checks that a panic drops the parts that have not begun, those of other threads too.
func TestDrop(t *testing.T) {
	const parts = 600
	p := NewPool(2)
	defer p.Close()
	var ran atomic.Int32
	began := make(chan struct{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Run does not panic")
			}
		}()
		p.Run(parts, TaskFunc(func(_, i int) {
			if i == 0 {
				<-began // the other thread
				panic("part 0")
			}
			if ran.Add(1) == 1 {
				close(began)
			}
			time.Sleep(time.Millisecond)
		}))
	}()
	if n := ran.Load(); n > parts/2 {
		t.Errorf("%d of %d parts ran after a panic of the first", n, parts)
	}
}
