// Command vec writes vec_amd64.s, the AVX2 and AVX-512 versions of the loops of
// package kernel that vecOps lists. Each loop is written once here, for vectors
// of either width; only what the two instruction sets do in different ways
// (masks, permutations) is told apart, in vector.go.
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("!noasm")
	for _, s := range []*set{
		{suffix: "AVX2", lanes: 8},
		{suffix: "AVX512", lanes: 16, wide: true},
	} {
		s.maps()
		s.transcendental()
		s.normalization()
		s.lrn()
		s.batchNorm()
		s.updates()
		s.reductions()
		s.pooling()
		s.philox()
		s.pixels("pixels", false, false)
		s.pixels("pixelsMirrored", false, true)
		s.pixels("pixelsMeans", true, false)
		s.pixels("pixelsMeansMirrored", true, true)
	}
	Generate()
}
