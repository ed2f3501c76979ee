// Package near suggests the closest known name for a misspelt one.
package near

import "strings"

// maxLength is the length of the longest name that is compared: the time of a comparison
// grows with the product of the lengths.
const maxLength = 100

// Name returns the known name that is nearest to got, or "" if none is near. Names that
// differ only in case are the nearest, then those that need the fewest letters inserted,
// deleted, changed or swapped: at most a third of the name, or two if that is more, or
// one for names of up to three letters. Names that begin with got come last. Among
// equally near names the first one wins.
func Name(got string, known []string) string {
	if got == "" || len(got) > maxLength {
		return ""
	}
	folded := strings.ToLower(got)
	best, least := "", max(min(2, (len(got)+2)/3), len(got)/3)+1
	for _, name := range known {
		d := distance(folded, strings.ToLower(name))
		// Changing every letter is no similarity.
		if d < least && d < max(len(got), len(name)) {
			best, least = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range known {
		if len(got) >= 3 && strings.HasPrefix(strings.ToLower(name), folded) && (best == "" || len(name) < len(best)) {
			best = name
		}
	}
	return best
}

// distance returns the number of letters to insert, delete, change or swap with a
// neighbour to turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
