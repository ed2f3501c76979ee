package parallel

// A SumLoop runs a loop over a range of integers on a Pool and adds up what its pieces
// return, in their order, so that the sum does not depend on the number of threads.
// Keep it as a field of a layer, with a body that is set once: a method value is an
// allocation. It runs in one goroutine at a time.
type SumLoop struct {
	// Body runs the loop for the integers from from to to-1 and returns their sum.
	Body func(from, to int) float64

	n, step int
	sums    []float64
}

// Run runs the loop for the integers from 0 to n-1, in pieces of step of them, the
// last of which may be shorter, and returns the sum. step must be positive.
func (l *SumLoop) Run(p *Pool, n, step int) float64 {
	l.n, l.step = n, step
	pieces := (n + step - 1) / step
	if cap(l.sums) < pieces {
		l.sums = make([]float64, pieces)
	}
	l.sums = l.sums[:pieces]
	p.Run(pieces, l)
	var sum float64
	for _, s := range l.sums {
		sum += s
	}
	return sum
}

// Do runs piece i.
func (l *SumLoop) Do(_, i int) {
	from := i * l.step
	l.sums[i] = l.Body(from, min(from+l.step, l.n))
}
