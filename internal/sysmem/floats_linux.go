package sysmem

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks for huge pages in that part of x which fills them. The pages have not
// been touched yet where the array is new to the process. It is an advice: a system that
// does not follow it is no error.
func adviseHuge(x []float32) {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
	first := int(-uintptr(unsafe.Pointer(&bytes[0])) & (hugePage - 1))
	if whole := (len(bytes) - first) &^ (hugePage - 1); whole > 0 {
		_ = syscall.Madvise(bytes[first:first+whole], syscall.MADV_HUGEPAGE)
	}
}
