package conv

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A step is a linear map of the elements along one axis. in returns element i of its
// argument, which must not be changed; out takes element i of the result, in rising
// order.
type step func(s *set, in func(i int) reg.VecVirtual, out func(i int, r reg.VecVirtual))

// The points at which F(4,3) evaluates its polynomials are 0, a, -a, b, -b and
// infinity.
var (
	a = math.Sqrt(0.5)
	b = math.Sqrt2
)

// constants of the steps, a vector of each in memory.
var constant = map[float64]Mem{}

func constants() {
	for i, v := range []float64{0.5, 2, 2.5, a, b, a * a * a, b * b * b, -2. / 3, 1. / 6, -2. / 3 * a, b / 6, -1. / 3, 1. / 3, 0.25, 4, -1. / 3 * a, b / 3, -1. / 6, 2. / 3} {
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

func (s *set) copy(r reg.VecVirtual) reg.VecVirtual {
	c := s.Vec()
	VMOVAPS(r, c)
	return c
}

func (s *set) add(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	VADDPS(y, x, r)
	return r
}

// sub returns x-y.
func (s *set) sub(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	VSUBPS(y, x, r)
	return r
}

// times returns v*x.
func (s *set) times(v float64, x reg.VecVirtual) reg.VecVirtual {
	r := s.Vec()
	if s.Bytes() == 64 {
		VMULPS_BCST(k(v), x, r)
	} else {
		VMULPS(k(v), x, r)
	}
	return r
}

// plus returns y+v*x, in the register of y.
func (s *set) plus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.Bytes() == 64 {
		VFMADD231PS_BCST(k(v), x, y)
	} else {
		VFMADD231PS(k(v), x, y)
	}
	return y
}

// minus returns y-v*x, in the register of y.
func (s *set) minus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.Bytes() == 64 {
		VFNMADD231PS_BCST(k(v), x, y)
	} else {
		VFNMADD231PS(k(v), x, y)
	}
	return y
}

// input4 is the transposed B of F(2,3).
func input4(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, s.sub(in(0), in(2)))
	out(1, s.add(in(1), in(2)))
	out(2, s.sub(in(2), in(1)))
	out(3, s.sub(in(3), in(1)))
}

// grad4 is the A of F(2,3).
func grad4(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	out(1, s.add(in(0), in(1)))
	out(2, s.sub(in(0), in(1)))
	out(3, in(1))
}

// output4 is the transposed A of F(2,3).
func output4(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, s.add(in(0), s.add(in(1), in(2))))
	out(1, s.add(in(3), s.sub(in(1), in(2))))
}

// filter4 is the G of F(2,3).
func filter4(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	even, odd := s.times(0.5, s.add(in(0), in(2))), in(1)
	out(1, s.plus(s.copy(even), 0.5, odd))
	out(2, s.minus(even, 0.5, odd))
	out(3, in(2))
}

// filterGrad4 is the transposed G of F(2,3).
func filterGrad4(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	sum := s.add(in(1), in(2))
	out(0, s.plus(s.copy(in(0)), 0.5, sum))
	out(1, s.times(0.5, s.sub(in(1), in(2))))
	out(2, s.plus(s.copy(in(3)), 0.5, sum))
}

// input6 is the transposed B of F(4,3).
func input6(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, input6First(s, in))
	input6Middle(s, in, out)
	out(5, input6Last(s, in))
}

func input6First(s *set, in func(int) reg.VecVirtual) reg.VecVirtual {
	return s.minus(s.add(in(0), in(4)), 2.5, in(2))
}

func input6Last(s *set, in func(int) reg.VecVirtual) reg.VecVirtual {
	return s.minus(s.add(in(1), in(5)), 2.5, in(3))
}

func input6Ends(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, input6First(s, in))
	out(5, input6Last(s, in))
}

func input6Middle(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	even, odd := s.minus(s.copy(in(4)), 2, in(2)), s.minus(s.copy(in(3)), 2, in(1))
	out(1, s.plus(s.copy(even), a, odd))
	out(2, s.minus(even, a, odd))
	even, odd = s.minus(s.copy(in(4)), 0.5, in(2)), s.minus(s.copy(in(3)), 0.5, in(1))
	out(3, s.plus(s.copy(even), b, odd))
	out(4, s.minus(even, b, odd))
}

// grad6 is the A of F(4,3).
func grad6(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	even, odd := s.plus(s.copy(in(0)), 0.5, in(2)), s.plus(s.copy(in(1)), 0.5, in(3))
	out(1, s.plus(s.copy(even), a, odd))
	out(2, s.minus(even, a, odd))
	even, odd = s.plus(s.copy(in(0)), 2, in(2)), s.plus(s.copy(in(1)), 2, in(3))
	out(3, s.plus(s.copy(even), b, odd))
	out(4, s.minus(even, b, odd))
	out(5, in(3))
}

// output6 is the transposed A of F(4,3).
func output6(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	sumA, difA := s.add(in(1), in(2)), s.sub(in(1), in(2))
	sumB, difB := s.add(in(3), in(4)), s.sub(in(3), in(4))
	out(0, s.add(in(0), s.add(sumA, sumB)))
	out(1, s.plus(s.times(a, difA), b, difB))
	out(2, s.plus(s.times(0.5, sumA), 2, sumB))
	out(3, s.plus(s.plus(s.copy(in(5)), a*a*a, difA), b*b*b, difB))
}

// filter6 is the G of F(4,3).
func filter6(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	even := s.times(-2./3, s.plus(s.copy(in(0)), 0.5, in(2)))
	out(1, s.plus(s.copy(even), -2./3*a, in(1)))
	out(2, s.minus(even, -2./3*a, in(1)))
	even = s.times(1./6, s.plus(s.copy(in(0)), 2, in(2)))
	out(3, s.plus(s.copy(even), b/6, in(1)))
	out(4, s.minus(even, b/6, in(1)))
	out(5, in(2))
}

// filterGrad6 is the transposed G of F(4,3).
func filterGrad6(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	sumA, difA := s.add(in(1), in(2)), s.sub(in(1), in(2))
	sumB, difB := s.add(in(3), in(4)), s.sub(in(3), in(4))
	out(0, s.plus(s.plus(s.copy(in(0)), -2./3, sumA), 1./6, sumB))
	out(1, s.plus(s.times(-2./3*a, difA), b/6, difB))
	out(2, s.plus(s.plus(s.copy(in(5)), -1./3, sumA), 1./3, sumB))
}

// The transforms of F(2x2,5x5) have the points of F(4,3).

func grad5x5(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	out(1, s.plus(s.copy(in(0)), a, in(1)))
	out(2, s.minus(s.copy(in(0)), a, in(1)))
	out(3, s.plus(s.copy(in(0)), b, in(1)))
	out(4, s.minus(s.copy(in(0)), b, in(1)))
	out(5, in(1))
}

func output5x5(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	sumA, difA := s.add(in(1), in(2)), s.sub(in(1), in(2))
	sumB, difB := s.add(in(3), in(4)), s.sub(in(3), in(4))
	out(0, s.add(in(0), s.add(sumA, sumB)))
	out(1, s.plus(s.plus(s.copy(in(5)), a, difA), b, difB))
}

func filter5x5(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	filter5x5Middle(s, in, out)
	out(5, in(4))
}

func filter5x5Ends(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	out(0, in(0))
	out(5, in(4))
}

func filter5x5Middle(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	even := s.times(-2./3, s.plus(s.plus(s.copy(in(0)), 0.5, in(2)), 0.25, in(4)))
	odd := s.plus(s.copy(in(1)), 0.5, in(3))
	out(1, s.plus(s.copy(even), -2./3*a, odd))
	out(2, s.minus(even, -2./3*a, odd))
	even = s.times(1./6, s.plus(s.plus(s.copy(in(0)), 2, in(2)), 4, in(4)))
	odd = s.plus(s.copy(in(1)), 2, in(3))
	out(3, s.plus(s.copy(even), b/6, odd))
	out(4, s.minus(even, b/6, odd))
}

func filterGrad5x5(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	var odd [4]reg.VecVirtual
	filterGrad5x5Odd(s, in, func(i int, r reg.VecVirtual) { odd[i] = r })
	filterGrad5x5Even(s, in, func(i int, r reg.VecVirtual) {
		out(i, r)
		if i < 4 {
			out(i+1, odd[i+1])
		}
	})
}

func filterGrad5x5Even(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	sumA, sumB := s.add(in(1), in(2)), s.add(in(3), in(4))
	out(0, s.plus(s.plus(s.copy(in(0)), -2./3, sumA), 1./6, sumB))
	out(2, s.plus(s.times(-1./3, sumA), 1./3, sumB))
	out(4, s.plus(s.plus(s.copy(in(5)), -1./6, sumA), 2./3, sumB))
}

func filterGrad5x5Odd(s *set, in func(int) reg.VecVirtual, out func(int, reg.VecVirtual)) {
	difA, difB := s.sub(in(1), in(2)), s.sub(in(3), in(4))
	out(1, s.plus(s.times(-2./3*a, difA), b/6, difB))
	out(3, s.plus(s.times(-1./3*a, difA), b/3, difB))
}
