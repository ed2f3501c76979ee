//go:build !amd64 || noasm

package conv

// Without assembly there is only the generic level.
var avx2, avx512 [algorithms]transforms
