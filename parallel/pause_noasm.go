//go:build !amd64 || noasm

package parallel

// pause does nothing.
func pause() {}
