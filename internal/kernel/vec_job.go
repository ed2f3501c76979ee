package kernel

import "sync"

// vecBlock is the number of elements that one part of a parallel element-wise
// function works on: 64 KB a slice, so that handing out the part (under a
// microsecond) costs little and its data stay in the second-level cache.
const vecBlock = 16 << 10

// A job is a loop whose range is cut into parts for a Pool. The tasks it hands
// to the pool are kept and used again, so that run allocates nothing in the
// long run.
type job[A any] struct {
	f    func(a *A, worker, lo, hi int)
	free sync.Pool
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
	t, _ := j.free.Get().(*jobTask[A])
	if t == nil {
		t = &jobTask[A]{f: j.f}
	}
	t.n, t.step, t.args = n, step, args
	p.Run((n+step-1)/step, t)
	var none A
	t.args = none // do not keep the caller's slices alive
	j.free.Put(t)
}

// partials keeps the slices in which jobs leave the sums of their parts.
var partials sync.Pool

// newPartials returns n sums of undefined value. freePartials takes them back.
func newPartials(n int) *[]float64 {
	s, _ := partials.Get().(*[]float64)
	if s == nil {
		s = new([]float64)
	}
	if cap(*s) < n {
		*s = make([]float64, n)
	}
	*s = (*s)[:n]
	return s
}

func freePartials(s *[]float64) { partials.Put(s) }
