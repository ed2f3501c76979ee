package dynlib

import "unsafe"

// Pointer returns the pointer for an address that a native library returned. The
// indirection shows vet that it is not Go's memory.
func Pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// CString returns s with a zero byte appended.
func CString(s string) *byte { return &append([]byte(s), 0)[0] }

// GoString returns the text before the first zero byte of b.
func GoString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// TextAt returns the text, up to a zero byte, at an address that a native library
// returned.
func TextAt(addr uintptr) string {
	if addr == 0 {
		return ""
	}
	var b []byte
	for p := addr; ; p++ {
		c := *(*byte)(Pointer(p))
		if c == 0 {
			return string(b)
		}
		b = append(b, c)
	}
}
