package prototxt

import "github.com/gocaffe/gocaffe/internal/near"

// Nearest returns the known name that is closest to a misspelt one, for an error
// that asks "did you mean ...?", or "" if none is close.
func Nearest(name string, known []string) string { return near.Name(name, known) }
