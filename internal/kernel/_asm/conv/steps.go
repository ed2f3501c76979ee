package conv

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

// constants of the steps, a vector of each in memory.
var constant = map[float64]Mem{}

func constants() {
	for i, v := range winograd.Constants {
		m := GLOBL(fmt.Sprintf("winograd%d", i), RODATA|NOPTR)
		for j := range 16 {
			DATA(4*j, U32(math.Float32bits(float32(v)))) // avo writes the float32 2 as an integer
		}
		constant[v] = m
	}
}

// k returns a constant.
func k(v float64) Mem {
	m, ok := constant[v]
	if !ok {
		panic(fmt.Sprint("no constant ", v))
	}
	return m
}

// Copy returns a copy of r.
func (s *set) Copy(r reg.VecVirtual) reg.VecVirtual {
	c := s.Vec()
	VMOVAPS(r, c)
	return c
}

// Add returns x+y.
func (s *set) Add(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	VADDPS(y, x, r)
	return r
}

// Sub returns x-y.
func (s *set) Sub(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	VSUBPS(y, x, r)
	return r
}

// Times returns v*x.
func (s *set) Times(v float64, x reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	if s.Bytes() == 64 {
		VMULPS_BCST(k(v), x, r)
	} else {
		VMULPS(k(v), x, r)
	}
	return r
}

// Plus returns y+v*x, in the register of y.
func (s *set) Plus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.Bytes() == 64 {
		VFMADD231PS_BCST(k(v), x, y)
	} else {
		VFMADD231PS(k(v), x, y)
	}
	return y
}

// Minus returns y-v*x, in the register of y.
func (s *set) Minus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.Bytes() == 64 {
		VFNMADD231PS_BCST(k(v), x, y)
	} else {
		VFNMADD231PS(k(v), x, y)
	}
	return y
}
