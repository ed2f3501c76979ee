package parallel

// A Range runs a loop over a range of integers on a Pool, for a body that finds its
// arguments itself, as a method of a layer does. Keep it as a field of the layer, with a
// body that is set once: a method value is an allocation. It runs in one goroutine at a
// time. A [Loop] keeps arguments, and may be run by several.
type Range struct {
	// Body runs the loop for the integers from from to to-1.
	Body func(from, to int)

	n, step int
}

// Run runs the loop for the integers from 0 to n-1, in pieces of step of them, the
// last of which may be shorter. step must be positive.
func (r *Range) Run(p *Pool, n, step int) {
	r.n, r.step = n, step
	p.Run((n+step-1)/step, r)
}

// Do runs piece i.
func (r *Range) Do(_, i int) {
	from := i * r.step
	r.Body(from, min(from+r.step, r.n))
}
