package layers

// Resize returns a slice of n elements with undefined contents, in the memory of s if
// there is enough of it. A layer calls it in Forward for the slices that its passes
// work with: a net that is only checked then takes no memory for them.
func Resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
