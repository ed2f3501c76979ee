//go:build !amd64 || noasm

package vec

// Without assembly there is only the generic level.
var avx2, avx512 ops
