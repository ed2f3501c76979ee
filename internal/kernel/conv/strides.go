package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

// A pairsFunc takes or puts together n vectors of eight pairs of neighbouring elements of
// x, the first of which are in even and the second in odd.
type pairsFunc func(n int, x, even, odd *float32)

// pairLanes is the number of pairs of a vector.
const pairLanes = 8

// pairsFuncs are the loops over pairs of a level, nil without assembly.
type pairsFuncs struct{ split, join pairsFunc }

// splitPairs sets even to the elements of x with an even index, and odd to the others.
// even has as many as odd, or one more.
func splitPairs(x, even, odd []float32) {
	even, odd = even[:(len(x)+1)/2], odd[:len(x)/2]
	i := 0
	if f, n := pairsOf[cpu.Active()].split, len(odd)/pairLanes; f != nil && n > 0 {
		f(n, &x[0], &even[0], &odd[0])
		if last := len(odd) - pairLanes; len(odd)%pairLanes != 0 { // overlaps the one before
			f(1, &x[2*last], &even[last], &odd[last])
		}
		i = len(odd)
	}
	for ; i < len(odd); i++ {
		even[i], odd[i] = x[2*i], x[2*i+1]
	}
	if i < len(even) {
		even[i] = x[2*i]
	}
}

// joinPairs sets the elements of x with an even index to even, and the others to odd, which
// has as many, or one less.
func joinPairs(x, even, odd []float32) {
	x = x[:len(even)+len(odd)]
	i := 0
	if f, n := pairsOf[cpu.Active()].join, len(odd)/pairLanes; f != nil && n > 0 {
		f(n, &x[0], &even[0], &odd[0])
		if last := len(odd) - pairLanes; len(odd)%pairLanes != 0 { // overlaps the one before
			f(1, &x[2*last], &even[last], &odd[last])
		}
		i = len(odd)
	}
	for ; i < len(odd); i++ {
		x[2*i], x[2*i+1] = even[i], odd[i]
	}
	if i < len(even) {
		x[2*i] = even[i]
	}
}

// takeSteps sets n elements of dst to those of x that are step apart. It may overwrite rest, and
// up to a vector of dst behind them.
func takeSteps(x []float32, step, n int, dst, rest []float32) {
	if step != 2 {
		for i := range dst[:n] {
			dst[i] = x[i*step]
		}
		return
	}
	odd := n - 1
	if whole := gemm.RoundUp(n, pairLanes); 2*whole <= len(x) {
		n, odd = whole, whole
	}
	splitPairs(x[:n+odd], dst[:n], rest[:odd])
}

// strided returns n elements of x that are step apart, in x itself or in row, which has
// space for twice as many and two vectors more.
func strided(x []float32, step, n int, row []float32) []float32 {
	if step == 1 {
		return x[:n]
	}
	takeSteps(x, step, n, row, row[len(row)/2:])
	return row[:n]
}

// putSteps sets n elements of x that are step apart to those of src, and all others to zero.
// src and zeros are up to a vector longer.
func putSteps(x []float32, step, n int, src, zeros []float32) {
	if step != 2 {
		clear(x)
		spread(x, src[:n], step)
		return
	}
	even, odd := n, min(n, len(x)-n)
	if whole := gemm.RoundUp(n, pairLanes); 2*whole <= len(x) {
		even, odd = whole, whole
	}
	joinPairs(x, src[:even], zeros[:odd])
	clear(x[min(2*n, len(x)):])
}

// spread sets the elements of x that are step apart.
func spread(x, from []float32, step int) {
	if step == 1 {
		copy(x, from)
		return
	}
	for i, v := range from {
		x[i*step] = v
	}
}
