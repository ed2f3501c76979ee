// Package cpu determines the instructions that the kernels use.
package cpu

import "slices"

// A Level is a set of instructions that kernels are written for.
type Level int

const (
	Generic Level = iota // Go
	AVX2                 // AVX2 and FMA
	AVX512               // AVX-512 F, BW, DQ and VL
	NEON                 // arm64's Advanced SIMD
	levels
)

// String returns "generic", "avx2", "avx512" or "neon".
func (l Level) String() string {
	return [levels]string{"generic", "avx2", "avx512", "neon"}[l]
}

// Levels returns all levels, those that this machine and build do not have too.
func Levels() (list []Level) {
	for l := range levels {
		list = append(list, l)
	}
	return list
}

// supported are the levels of this machine and build, from the slowest to the fastest.
var supported = detect()

// active is the level in use.
var active = Best()

// Has reports whether this machine and build have a level.
func Has(l Level) bool { return slices.Contains(supported, l) }

// Best returns the fastest level of this machine and build.
func Best() Level { return supported[len(supported)-1] }

// Active returns the level in use: the best one, except in tests.
func Active() Level { return active }

// Use sets the level in use, which this machine and build must have. Tests call it,
// while no kernel runs, to compare the levels.
func Use(l Level) { active = l }
