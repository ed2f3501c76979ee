//go:build linux && (amd64 || arm64) && !static

package dynlib

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/ebitengine/purego"
)

func open(name string) (uintptr, error) {
	return purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func symbol(handle uintptr, name string) (uintptr, error) {
	return purego.Dlsym(handle, name)
}

// Call calls the C function at fn with integers and addresses. An address of
// Go memory must be converted to uintptr in the argument list itself.
//
//go:uintptrescapes
func Call(fn uintptr, args ...uintptr) uintptr { return CallSlice(fn, args) }

// CallSlice is Call without allocations, for callers that keep args and the memory
// they point to on the heap and alive.
func CallSlice(fn uintptr, args []uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}

// Callback returns an address at which C can call f. It lives as long as the program.
func Callback(f func(a, b, c uintptr) uintptr) uintptr { return purego.NewCallback(f) }

func fileOf(addr uintptr) string {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return ""
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "%x-%x", &from, &to); n == 2 && from <= addr && addr < to {
			if slash := strings.IndexByte(line, '/'); slash >= 0 {
				return line[slash:]
			}
			return ""
		}
	}
	return ""
}
