package cpu

import "github.com/klauspost/cpuid/v2"

// L2 returns the size in bytes of the second cache, which each core has for itself, or
// -1 if the processor does not say. Results must not depend on it.
func L2() int { return cpuid.CPU.Cache.L2 }
