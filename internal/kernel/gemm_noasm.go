//go:build !amd64 || noasm

package kernel

var microAVX2, microAVX512 micro

// pause does nothing here.
func pause() {}
