package simd

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

var constants = map[string]Mem{}

// Words returns the address of read-only 32-bit words. The same name always
// stands for the same words.
func Words(name string, values ...uint32) Mem {
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i, v := range values {
			DATA(4*i, U32(v))
		}
		constants[name] = m
	}
	return m
}

// Bits returns the address of a word, 16 times over: a vector of either width.
func Bits(v uint32) Mem {
	list := make([]uint32, 16)
	for i := range list {
		list[i] = v
	}
	return Words(fmt.Sprintf("word%08x", v), list...)
}

// Float returns the address of a float32, 16 times over.
func Float(f float32) Mem { return Bits(math.Float32bits(f)) }

// Bits64 returns the address of a word of 64 bits, eight times over.
func Bits64(v uint64) Mem {
	var list []uint32
	for range 8 {
		list = append(list, uint32(v), uint32(v>>32))
	}
	return Words(fmt.Sprintf("double%016x", v), list...)
}

// Sequence returns the address of the words first, first+step, ..., one for
// each lane.
func (s *Set) Sequence(first, step int) Mem {
	list := make([]uint32, 16)
	for i := range list {
		list[i] = uint32(first + i*step)
	}
	return Words(fmt.Sprintf("from%dstep%d", first, uint32(step)), list...)
}
