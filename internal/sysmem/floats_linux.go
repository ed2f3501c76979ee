package sysmem

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks for huge pages wherever x lies. Arrays that are smaller than a huge page
// share one with their neighbours on the heap, so the whole of the first and of the last is
// asked for: Go maps its heap in multiples of them, and the advice does not change what the
// memory holds. It counts for pages that nobody has touched yet, as those of an array that
// is new to the process. A system that does not follow it is no error.
func adviseHuge(x []float32) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	first := start &^ (hugePage - 1)
	end := (start + uintptr(4*len(x)) + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, first, end-first, syscall.MADV_HUGEPAGE)
}
