package cpu

import "github.com/klauspost/cpuid/v2"

// L2 returns the size in bytes of the second cache, which each core has for itself, or
// -1 if the processor does not say. Results must not depend on it.
func L2() int { return cpuid.CPU.Cache.L2 }

// FastL3 reports whether the processor is an AMD Zen 5 or later. Its third cache is so
// fast that matrices are multiplied from there as fast as from the second. Results must
// not depend on it.
func FastL3() bool { return cpuid.CPU.VendorID == cpuid.AMD && cpuid.CPU.Family >= 0x1a }
