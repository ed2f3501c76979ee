// Package conv writes loops over pairs of elements, convolutions of single channels, and
// the transforms of Winograd's convolution F(2x2,3x3), F(4x4,3x3) and F(2x2,5x5). The types
// of the functions, in package conv, say what they compute.
package conv

import (
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

// A set is an instruction set.
type set struct {
	*simd.Set
	inRegisters bool                       // the result of the first step stays in registers
	held        map[float64]reg.VecVirtual // factors in registers, of the function that is written
}

// Write writes all functions.
func Write() {
	constants()
	pairs()
	pairRows()
	for _, isa := range simd.Sets {
		s := &set{Set: isa, inRegisters: isa.Wide}
		s.channels()
		s.channelsGrad()
		for _, size := range s.rowSizes() {
			for stride := 1; stride <= 2; stride++ {
				s.rows(size, stride)
				s.rowsGrad(size, stride)
			}
		}
		s.rowsPhases()
		s.stream()
		for _, a := range winograd.Algorithms[reg.VecVirtual]() {
			if a.Input.Step != nil {
				s.input(a)
			}
			s.grad(a)
			s.output(a)
			s.filter(a)
			s.filterGrad(a)
		}
		s.fouriers()
	}
}
