package kernel

// Variant names the instructions that the kernels use on this machine:
// "avx512", "avx2" or "generic".
func Variant() string { return active.String() }
