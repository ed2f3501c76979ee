package vec

import "github.com/gocaffe/gocaffe/parallel"

var freeSums parallel.FreeList[[]float64]

// NewSums returns n sums of undefined value, for the results of the parts of a loop.
// Release them with FreeSums.
func NewSums(n int) *[]float64 {
	s := freeSums.Get()
	if cap(*s) < n {
		*s = make([]float64, n)
	}
	*s = (*s)[:n]
	return s
}

// FreeSums releases sums returned by NewSums, which must not be used any more.
func FreeSums(s *[]float64) { freeSums.Put(s) }
