package conv

import "unsafe"

// streamSize is the number of elements from which on a result is written past the
// caches, which cannot hold it: whole lines then need not be read before they are
// written. The atomic addition by which a thread takes its next part makes them
// visible to the other threads. From there on ForwardSums takes sums, too. Tests set it.
var streamSize = 6 << 20

// streams reports whether dst is such a result and consecutive runs of n elements in it
// start and end at line boundaries.
func streams(dst []float32, n int) bool {
	return len(dst) >= streamSize && n%16 == 0 && uintptr(unsafe.Pointer(&dst[0]))%64 == 0
}
