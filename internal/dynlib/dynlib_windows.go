//go:build windows && amd64 && !static

package dynlib

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/windows"
)

func open(name string) (uintptr, error) {
	h, err := windows.LoadLibraryEx(name, 0, windows.LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return uintptr(h), nil
}

func symbol(handle uintptr, name string) (uintptr, error) {
	return windows.GetProcAddress(windows.Handle(handle), name)
}

// Call calls the C function at fn with integers and addresses. An address of
// Go memory must be converted to uintptr in the argument list itself.
//
//go:uintptrescapes
func Call(fn uintptr, args ...uintptr) uintptr { return CallSlice(fn, args) }

// CallSlice is Call without allocations, for callers that keep args and the memory
// they point to on the heap and alive.
func CallSlice(fn uintptr, args []uintptr) uintptr {
	r, _, _ := syscall.SyscallN(fn, args...)
	return r
}

// Callback returns an address at which C can call f. It lives as long as the program.
func Callback(f func(a, b, c uintptr) uintptr) uintptr { return syscall.NewCallback(f) }

func fileOf(addr uintptr) string {
	var module windows.Handle
	const fromAddress, unchanged = 4, 2 // GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, _UNCHANGED_REFCOUNT
	if windows.GetModuleHandleEx(fromAddress|unchanged, (*uint16)(Pointer(addr)), &module) != nil {
		return ""
	}
	var name [windows.MAX_LONG_PATH]uint16
	n, err := windows.GetModuleFileName(module, &name[0], uint32(len(name)))
	if err != nil {
		return ""
	}
	return windows.UTF16ToString(name[:n])
}
