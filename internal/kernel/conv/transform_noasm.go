//go:build !amd64 || noasm

package conv

// Without assembly there is only the generic level.
var pairs256 pairsFuncs

var avx2, avx512 [algorithms]transforms
