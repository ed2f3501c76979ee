package kernel

import "unsafe"

// streamFloats is from how many numbers on a result is written past the caches,
// which cannot hold it: whole lines of memory then need not be read first. The
// locked addition with which a thread takes its next part makes others see them. Tests set it.
var streamFloats = 6 << 20

// streams tells whether dst is such a result, and runs of the given length that
// follow each other in it begin and end with lines.
func streams(dst []float32, run int) bool {
	return len(dst) >= streamFloats && run%16 == 0 && uintptr(unsafe.Pointer(&dst[0]))%64 == 0
}
