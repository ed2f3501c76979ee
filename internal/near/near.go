// Package near suggests the closest known name for a misspelt one.
package near

import "strings"

// maxLength is the length of the longest name that is looked at: the time that
// a comparison takes grows with the product of the lengths.
const maxLength = 100

// Name returns the known name that is nearest to got, or "" if none is near.
// Names that differ in upper and lower case alone are the nearest, then those
// that need the fewest letters added, left out, changed or swapped, at most a
// third of the name and two at least, one for a name of up to three; then those
// that begin with got. Of equally near ones the first wins.
func Name(got string, known []string) string {
	if got == "" || len(got) > maxLength {
		return ""
	}
	folded := strings.ToLower(got)
	best, least := "", max(min(2, (len(got)+2)/3), len(got)/3)+1
	for _, name := range known {
		d := distance(folded, strings.ToLower(name))
		// A change of every letter is no likeness.
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

// distance returns how many letters must be added, left out, changed or
// swapped with their neighbour to make b of a.
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
