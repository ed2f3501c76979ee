package conv

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

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
		i = n * pairLanes
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
		i = n * pairLanes
	}
	for ; i < len(odd); i++ {
		x[2*i], x[2*i+1] = even[i], odd[i]
	}
	if i < len(even) {
		x[2*i] = even[i]
	}
}
