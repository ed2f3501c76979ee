//go:build !amd64 || noasm

package update

// Without assembly there is only the generic level.
var avx2, avx512 rules
