package boxes

import (
	"math"
	"math/bits"
	"slices"
)

// A Ranking puts numbered scores into descending order, equal ones by ascending number.
// The zero Ranking is empty. It keeps its memory from one use to the next.
type Ranking struct{ keys []uint64 }

// Reset removes all scores.
func (r *Ranking) Reset() { r.keys = r.keys[:0] }

// Reserve allocates memory for n scores, so that Add does not allocate.
func (r *Ranking) Reserve(n int) { r.keys = slices.Grow(r.keys[:0], n) }

// Len returns how many scores were added.
func (r *Ranking) Len() int { return len(r.keys) }

// Add adds a score with its number, which must not be negative. Zeros of both signs
// are equal.
func (r *Ranking) Add(score float32, number int) {
	key := math.Float32bits(score + 0)
	if key>>31 == 0 {
		key = ^key &^ (1 << 31) // positive: larger bits are larger numbers
	}
	r.keys = append(r.keys, uint64(key)<<32|uint64(uint32(number)))
}

// Top appends the numbers of the k highest scores to numbers, in descending order of
// the scores, and returns the result. A negative k is all of them. The ranking is
// empty afterwards.
func (r *Ranking) Top(k int, numbers []int32) []int32 {
	keys := r.keys
	if k >= 0 && k < len(keys) {
		selectLeast(keys, k)
		keys = keys[:k]
	}
	slices.Sort(keys)
	for _, key := range keys {
		numbers = append(numbers, int32(uint32(key)))
	}
	r.Reset()
	return numbers
}

// selectLeast moves the k least keys to the front, in any order. All keys are
// different.
func selectLeast(keys []uint64, k int) {
	for rounds := 2 * bits.Len(uint(len(keys))); k > 0 && k < len(keys); rounds-- {
		if rounds == 0 || len(keys) < 32 {
			slices.Sort(keys)
			return
		}
		pivot := median(keys[0], keys[len(keys)/2], keys[len(keys)-1])
		i, j := 0, len(keys)-1
		for i <= j {
			for keys[i] < pivot {
				i++
			}
			for keys[j] > pivot {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				i++
				j--
			}
		}
		switch {
		case k <= j+1: // keys[:j+1] are at most the pivot
			keys = keys[:j+1]
		case k >= i: // keys[i:] are at least the pivot
			keys, k = keys[i:], k-i
		default:
			return
		}
	}
}

func median(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }
