package kernel

import "github.com/gocaffe/gocaffe/parallel"

// vecBlock is the number of elements that one part of a parallel element-wise
// function works on: 64 KB a slice, so that handing out the part (under a
// microsecond) costs little and its data stay in the second-level cache.
const vecBlock = 16 << 10

// partials keeps the slices in which loops leave the sums of their parts.
var partials parallel.FreeList[[]float64]

// newPartials returns n sums of undefined value. freePartials takes them back.
func newPartials(n int) *[]float64 {
	s := partials.Get()
	if cap(*s) < n {
		*s = make([]float64, n)
	}
	*s = (*s)[:n]
	return s
}

func freePartials(s *[]float64) { partials.Put(s) }
