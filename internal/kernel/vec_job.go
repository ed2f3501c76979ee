package kernel

import "sync"

// vecBlock is the number of elements that one part of a parallel element-wise
// function works on: 64 KB a slice, so that handing out the part (under a
// microsecond) costs little and its data stay in the second-level cache.
const vecBlock = 16 << 10

// A job is a loop whose range is cut into parts for a Pool. The tasks it hands
// to the pool are kept and used again, so that run allocates nothing once as
// many have run at the same time as ever will.
type job[A any] struct {
	f    func(a *A, worker, lo, hi int)
	free freeList[jobTask[A]]
}

type jobTask[A any] struct {
	f       func(a *A, worker, lo, hi int)
	n, step int
	args    A
}

func (t *jobTask[A]) Do(worker, i int) {
	lo := i * t.step
	t.f(&t.args, worker, lo, min(lo+t.step, t.n))
}

// run calls f for the ranges of step that make up 0 to n.
func (j *job[A]) run(p *Pool, n, step int, args A) {
	t := j.free.get()
	t.f, t.n, t.step, t.args = j.f, n, step, args
	p.Run((n+step-1)/step, t)
	*t = jobTask[A]{} // do not keep the caller's slices alive
	j.free.put(t)
}

// A freeList keeps values that are not in use. Unlike a sync.Pool it does not
// lose them to the garbage collector.
type freeList[T any] struct {
	mu   sync.Mutex
	list []*T
}

func (l *freeList[T]) get() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.list)
	if n == 0 {
		return new(T)
	}
	v := l.list[n-1]
	l.list = l.list[:n-1]
	return v
}

func (l *freeList[T]) put(v *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, v)
}

// partials keeps the slices in which jobs leave the sums of their parts.
var partials freeList[[]float64]

// newPartials returns n sums of undefined value. freePartials takes them back.
func newPartials(n int) *[]float64 {
	s := partials.get()
	if cap(*s) < n {
		*s = make([]float64, n)
	}
	*s = (*s)[:n]
	return s
}

func freePartials(s *[]float64) { partials.put(s) }
