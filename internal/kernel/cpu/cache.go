package cpu

import (
	"runtime"
	"sync"

	"github.com/klauspost/cpuid/v2"
)

// L2 returns the size in bytes of the second cache, or -1 if it is unknown: on x86 that of
// one cache, which is each core's own but for the small cores of some Intel processors, and
// on arm64 what one core has of a cache that several share. Where cores differ, it is that
// of the first core on Linux, and of the fast ones on macOS. Results must not depend on it.
func L2() int {
	l2, _ := caches()
	return l2
}

// L3 returns the size in bytes of one third cache, which cores share, or -1 if there is
// none or it is unknown. Results must not depend on it.
func L3() int {
	_, l3 := caches()
	return l3
}

// FastL3 reports whether the processor is an AMD Zen 5 or later. Its third cache is so
// fast that matrices are multiplied from there as fast as from the second. Results must
// not depend on it.
func FastL3() bool { return cpuid.CPU.VendorID == cpuid.AMD && cpuid.CPU.Family >= 0x1a }

// caches returns the sizes of the second and the third cache, or -1: what CPUID says, or
// where there is no such instruction, the system.
var caches = sync.OnceValues(func() (l2, l3 int) {
	l2, l3 = cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3
	if runtime.GOARCH == "arm64" || l2 <= 0 {
		l2, l3 = systemCaches()
	}
	return known(l2), known(l3)
})

// known returns a size, or -1 if it is not positive.
func known(size int) int {
	if size <= 0 {
		return -1
	}
	return size
}
