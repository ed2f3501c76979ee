package vec

import "github.com/gocaffe/gocaffe/parallel"

var freeSums parallel.FreeList[[]float64]

// NewSums returns n sums of undefined value, in which the parts of a loop leave
// their results. FreeSums takes them back.
func NewSums(n int) *[]float64 {
	s := freeSums.Get()
	if cap(*s) < n {
		*s = make([]float64, n)
	}
	*s = (*s)[:n]
	return s
}

// FreeSums takes back what NewSums returned, which must not be used any more.
func FreeSums(s *[]float64) { freeSums.Put(s) }
