package prototxt

import "strings"

// Nearest returns the known name that name was probably meant to be, or "" if
// none is near: the one with the fewest letters to insert, remove, replace or
// exchange with their neighbour, as long as those are about a third of name.
// Upper and lower case count as equal. Of equally near ones the first is taken.
func Nearest(name string, known []string) string {
	best, bestDistance := "", (len(name)+2)/3+1
	for _, k := range known {
		if abs(len(k)-len(name)) >= bestDistance {
			continue
		}
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// editDistance is the optimal string alignment distance of a and b.
func editDistance(a, b string) int {
	beforeLast := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last, row = last, row, beforeLast
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }
