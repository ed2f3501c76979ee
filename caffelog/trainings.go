package caffelog

import "slices"

// Trainings separates the trainings in a log: each is a run that began anew, with
// the runs that resumed it. In their rows, Seconds is the time spent in runs, without
// the time between them. Rows of iterations that a later run repeated are left out.
func (l *Log) Trainings() []*Log {
	var all []*Log
	for first := 0; first < len(l.Runs); {
		end := first + 1
		for end < len(l.Runs) && l.Runs[end].Resumed {
			end++
		}
		all = append(all, l.training(first, end))
		first = end
	}
	return all
}

// training returns the training of runs first to end-1.
func (l *Log) training(first, end int) *Log {
	t := &Log{Runs: slices.Clone(l.Runs[first:end])}
	// Where each run begins on the clock that runs only during training, and from
	// which iteration on the next one repeats it.
	length := make([]float64, end-first)
	begin := make([]int, end-first)
	for i := range begin {
		begin[i] = -1
	}
	for _, rows := range append([][]Row{l.Train}, l.Test...) {
		for _, r := range rows {
			if i := r.Run - first; i >= 0 && i < len(length) {
				length[i] = max(length[i], r.Seconds-l.Runs[r.Run].Seconds)
				if begin[i] < 0 || r.Iteration < begin[i] {
					begin[i] = r.Iteration
				}
			}
		}
	}
	before := 0.0
	for i := range t.Runs {
		t.Runs[i].Seconds = before
		before += length[i]
	}
	keep := func(rows []Row) []Row {
		var kept []Row
		for _, r := range rows {
			i := r.Run - first
			if i < 0 || i >= len(length) || repeated(r.Iteration, begin[i+1:]) {
				continue
			}
			r.Seconds += t.Runs[i].Seconds - l.Runs[r.Run].Seconds
			r.Run = i
			kept = append(kept, r)
		}
		return kept
	}
	t.Train = keep(l.Train)
	for _, rows := range l.Test {
		t.Test = append(t.Test, keep(rows))
	}
	return t
}

// repeated reports whether one of the later runs, which begin with these iterations,
// also had an iteration. A run without rows has -1.
func repeated(iteration int, later []int) bool {
	return slices.ContainsFunc(later, func(begin int) bool { return begin >= 0 && iteration >= begin })
}
