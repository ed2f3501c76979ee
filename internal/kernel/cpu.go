package kernel

// A level is a set of instructions that kernels are written for.
type level int

const (
	levelGeneric level = iota // Go
	levelAVX2                 // AVX2 and FMA
	levelAVX512               // AVX-512 F, BW, DQ and VL
)

// String names the level for tests and benchmarks.
func (l level) String() string {
	return [...]string{"generic", "avx2", "avx512"}[l]
}

// best is the highest level of this machine and build.
var best = detect()

// active is the level in use. Tests set it to run every version up to best.
var active = best
