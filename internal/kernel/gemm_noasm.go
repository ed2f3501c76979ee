//go:build !amd64 || noasm

package kernel

var microAVX2, microAVX512 micro
