//go:build unix

package kerneltest

import (
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EachFence calls f with a function that makes slices of normally distributed elements, next to
// pages that nobody may touch: first behind the ends of the slices, then before their beginnings.
// A read or write there fails the test. Guarded slices do not reveal reads whose values are not
// used, such as those of a vector of which some lanes are needed. f must run its kernels in its
// own goroutine.
func EachFence(t *testing.T, name string, f func(slice func(r *rand.Rand, n int) []float32)) {
	t.Helper()
	for _, border := range []string{"end", "beginning"} {
		var maps [][]byte
		slice := func(r *rand.Rand, n int) []float32 {
			page := os.Getpagesize()
			size := (4*max(n, 1) + page - 1) / page * page
			m, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				t.Fatal(err)
			}
			maps = append(maps, m)
			for _, fence := range [][]byte{m[:page], m[page+size:]} {
				if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
					t.Fatal(err)
				}
			}
			at := page
			if border == "end" {
				at += size - 4*n
			}
			s := unsafe.Slice((*float32)(unsafe.Pointer(&m[at])), n)
			FillNormal(r, s)
			return s
		}
		func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				if err := recover(); err != nil {
					t.Errorf("%s, with a fence at the %s of each slice: %v", name, border, err)
				}
			}()
			f(slice)
		}()
		for _, m := range maps {
			if err := unix.Munmap(m); err != nil {
				t.Fatal(err)
			}
		}
	}
}
