// Package cpu determines the instructions that the kernels use.
package cpu

// A Level is a set of instructions that kernels are written for. Each includes
// the ones before it.
type Level int

const (
	Generic Level = iota // Go
	AVX2                 // AVX2 and FMA
	AVX512               // AVX-512 F, BW, DQ and VL
)

// String returns "generic", "avx2" or "avx512".
func (l Level) String() string {
	return [...]string{"generic", "avx2", "avx512"}[l]
}

// best is the highest level of this machine and build.
var best = detect()

// active is the level in use.
var active = best

// Best returns the highest level of this machine and build.
func Best() Level { return best }

// Active returns the level in use: the best one, except in tests.
func Active() Level { return active }

// Use sets the level in use, which must be at most Best. Tests call it, while no
// kernel runs, to compare the levels.
func Use(l Level) { active = l }
