//go:build !noasm

package cpu

// Go itself needs NEON on arm64.
func detect() []Level { return []Level{Generic, NEON} }
