//go:build !amd64 || noasm

package norm

// Without assembly the only level is the generic one.
var avx2, avx512 ops
