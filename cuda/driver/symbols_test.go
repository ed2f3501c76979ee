//go:build !gorgonia

package driver

import (
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
	"github.com/gocaffe/gocaffe/internal/nvidia"
)

// TestSymbols looks for the functions that purego.go calls in NVIDIA's libcuda.
func TestSymbols(t *testing.T) {
	names := slices.Clone(exported[:])
	names[cuFuncGetParamInfo] = exported[cuInit] // a driver for CUDA 12.4 or newer has it
	nvidia.HasFunctions(t, nvidia.Library(t, "libcuda.so.1"), names)
}

// TestSymbolsResults compares the names of error codes with those of NVIDIA's
// libcuda.
func TestSymbolsResults(t *testing.T) {
	file := nvidia.Library(t, "libcuda.so.1")
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: the library is for Linux on amd64")
	}
	lib, err := dynlib.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	name, err := lib.Symbol("cuGetErrorName")
	if err != nil {
		t.Fatal(err)
	}
	for code, known := range results {
		var text uintptr
		if r := Result(dynlib.Call(name, uintptr(code), uintptr(unsafe.Pointer(&text)))); r != Success {
			t.Errorf("libcuda does not know code %d, %s: %v", code, known.name, r)
		} else if got := dynlib.TextAt(text); got != known.name {
			t.Errorf("code %d is %s in libcuda, %s here", code, got, known.name)
		}
	}
}
