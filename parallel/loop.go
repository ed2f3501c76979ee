package parallel

// A Loop runs a loop over a range of integers on a Pool. It keeps the tasks
// that it hands to the pool and uses them again, so Run allocates nothing once
// the Loop has run. Declare one for each loop, as a package variable or a field
// of a layer:
//
//	var square = parallel.Loop[[]float32]{Body: func(x *[]float32, _, from, to int) {
//		for i, v := range (*x)[from:to] {
//			(*x)[from+i] = v * v
//		}
//	}}
//
//	square.Run(pool, len(x), 16384, x)
//
// A Loop may be run by several goroutines at the same time, and must not be
// copied after its first run.
type Loop[Args any] struct {
	// Body runs the loop for the integers from from to to-1. worker is as in
	// Task.Do. args points to a copy of what Run was given, which all pieces
	// share; it must not be kept.
	Body func(args *Args, worker, from, to int)

	free FreeList[loopTask[Args]]
}

type loopTask[Args any] struct {
	body    func(args *Args, worker, from, to int)
	n, step int
	args    Args
}

// Do runs piece i.
func (t *loopTask[Args]) Do(worker, i int) {
	from := i * t.step
	t.body(&t.args, worker, from, min(from+t.step, t.n))
}

// Step returns the step of a loop whose body reads or writes size elements for each integer:
// pieces of some 8,000 elements.
func Step(size int) int { return 1 + 8192/max(1, size) }

// Run runs the loop for the integers from 0 to n-1, in pieces of step of them,
// the last of which may be shorter. step must be positive. A piece should take
// several microseconds, since handing it to a thread takes nearly one.
func (l *Loop[Args]) Run(p *Pool, n, step int, args Args) {
	t := l.free.Get()
	t.body, t.n, t.step, t.args = l.Body, n, step, args
	p.Run((n+step-1)/step, t)
	*t = loopTask[Args]{} // do not keep the caller's slices alive
	l.free.Put(t)
}
