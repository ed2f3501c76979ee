// Package conv writes loops over pairs of elements, and the transforms of Winograd's convolution F(2x2,3x3),
// F(4x4,3x3) and F(2x2,5x5). The types of the functions, in transform.go of
// package conv, say what they compute.
package conv

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"

// A set is an instruction set.
type set struct {
	*simd.Set
	inRegisters bool // the result of the first step stays in registers
}

// Write writes all functions.
func Write() {
	constants()
	pairs()
	for _, isa := range simd.Sets {
		s := &set{isa, isa.Wide}
		for _, a := range algorithms {
			if a.input.step != nil {
				s.input(a)
			}
			s.grad(a)
			s.output(a)
			s.filter(a)
			s.filterGrad(a)
		}
	}
}

// A transform is a step along the columns, and one along the rows of what that
// gives. parts are the same step in pieces, whose results fit into registers.
type transform struct {
	from, to int // elements along an axis
	step     step
	parts    []part
}

// A part of a step gives some of the results.
type part struct {
	rows []int
	step step
}

// An algorithm is F(mxm,rxr) with its transforms. F(2x2,5x5) has no input: it is
// that of F(4x4,3x3).
type algorithm struct {
	name, label                             string // of its functions, in comments
	input, grad, output, filter, filterGrad transform
}

var algorithms = []algorithm{
	{
		name: "2", label: "F(2x2,3x3)",
		input:      transform{from: 4, to: 4, step: input4},
		grad:       transform{from: 2, to: 4, step: grad4},
		output:     transform{from: 4, to: 2, step: output4},
		filter:     transform{from: 3, to: 4, step: filter4},
		filterGrad: transform{from: 4, to: 3, step: filterGrad4},
	},
	{
		name: "4", label: "F(4x4,3x3)",
		input: transform{from: 6, to: 6, step: input6, parts: []part{
			{[]int{1, 2, 3, 4}, input6Middle},
			{[]int{0, 5}, input6Ends},
		}},
		grad:       transform{from: 4, to: 6, step: grad6},
		output:     transform{from: 6, to: 4, step: output6},
		filter:     transform{from: 3, to: 6, step: filter6},
		filterGrad: transform{from: 6, to: 3, step: filterGrad6},
	},
	{
		name: "5x5", label: "F(2x2,5x5)",
		grad:   transform{from: 2, to: 6, step: grad5x5},
		output: transform{from: 6, to: 2, step: output5x5},
		filter: transform{from: 5, to: 6, step: filter5x5, parts: []part{
			{[]int{1, 2, 3, 4}, filter5x5Middle},
			{[]int{0, 5}, filter5x5Ends},
		}},
		filterGrad: transform{from: 6, to: 5, step: filterGrad5x5, parts: []part{
			{[]int{0, 2, 4}, filterGrad5x5Even},
			{[]int{1, 3}, filterGrad5x5Odd},
		}},
	},
}
