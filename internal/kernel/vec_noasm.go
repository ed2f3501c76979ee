//go:build !amd64 || noasm

package kernel

// Without assembly the only level is the generic one.
var vecAVX2, vecAVX512 = vecGeneric, vecGeneric
