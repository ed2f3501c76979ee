package conv

import "unsafe"

// streamSize is the number of elements from which on a result is written past the
// caches, which cannot hold it: lines of memory that are written whole then need
// not be read first. The locked addition with which a thread takes its next part
// makes the other threads see them. Tests set it.
var streamSize = 6 << 20

// streams reports whether dst is such a result, and runs of n elements that follow
// each other in it begin and end at the bounds of lines.
func streams(dst []float32, n int) bool {
	return len(dst) >= streamSize && n%16 == 0 && uintptr(unsafe.Pointer(&dst[0]))%64 == 0
}
