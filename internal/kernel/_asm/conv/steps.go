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
	if c := s.held[v]; c != nil {
		VMULPS(c, x, r)
	} else if s.Wide {
		VMULPS_BCST(k(v), x, r)
	} else {
		VMULPS(k(v), x, r)
	}
	return r
}

// Plus returns y+v*x, in the register of y.
func (s *set) Plus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if c := s.held[v]; c != nil {
		VFMADD231PS(c, x, y)
	} else if s.Wide {
		VFMADD231PS_BCST(k(v), x, y)
	} else {
		VFMADD231PS(k(v), x, y)
	}
	return y
}

// Minus returns y-v*x, in the register of y.
func (s *set) Minus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if c := s.held[v]; c != nil {
		VFNMADD231PS(c, x, y)
	} else if s.Wide {
		VFNMADD231PS_BCST(k(v), x, y)
	} else {
		VFNMADD231PS(k(v), x, y)
	}
	return y
}

// hold brings the factors of a step into registers, which AVX-512 has enough of: a Zen 4
// loads one vector of 512 bits a cycle, and broadcasts no more.
func (s *set) hold(step winograd.Step[reg.VecVirtual]) {
	var list []float64
	nothing := func(int) reg.VecVirtual { return nil }
	step(factors(func(v float64) { list = append(list, v) }), nothing, func(int, reg.VecVirtual) {})
	s.holdFactors(list...)
}

// holdFactors brings some factors into registers.
func (s *set) holdFactors(list ...float64) {
	s.held = nil
	if !s.Wide {
		return
	}
	s.held = map[float64]reg.VecVirtual{}
	for _, v := range list {
		if s.held[v] == nil {
			s.held[v] = s.Broadcast(k(v))
		}
	}
}

// factors is an Arithmetic that writes nothing, and is called with each factor.
type factors func(v float64)

func (f factors) Copy(reg.VecVirtual) reg.VecVirtual     { return nil }
func (f factors) Add(_, _ reg.VecVirtual) reg.VecVirtual { return nil }
func (f factors) Sub(_, _ reg.VecVirtual) reg.VecVirtual { return nil }

func (f factors) Times(v float64, _ reg.VecVirtual) reg.VecVirtual {
	f(v)
	return nil
}

func (f factors) Plus(_ reg.VecVirtual, v float64, _ reg.VecVirtual) reg.VecVirtual {
	f(v)
	return nil
}

func (f factors) Minus(_ reg.VecVirtual, v float64, _ reg.VecVirtual) reg.VecVirtual {
	f(v)
	return nil
}
