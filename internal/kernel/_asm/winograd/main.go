// Command winograd writes winograd_amd64.s: the transforms of Winograd's
// convolution F(2x2,3x3), F(4x4,3x3) and F(2x2,5x5), each for AVX2 with FMA and for
// AVX-512. What they compute is said in winograd_transform.go.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A set is an instruction set.
type set struct {
	name  string
	bytes int // of a vector
	held  int // vectors that the result of the first step may take in registers
	new   func() reg.VecVirtual
}

func main() {
	ConstraintExpr("amd64,!noasm")
	constants()
	for _, s := range []*set{
		{"AVX2", 32, 0, YMM},
		{"AVX512", 64, 24, ZMM},
	} {
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
	Generate()
}

// A step is a linear map of the numbers along one axis. in returns number i of
// its argument, which must not be changed; out takes number i of the result, in
// rising order.
type step func(s *set, in func(i int) reg.VecVirtual, out func(i int, r reg.VecVirtual))

// A transform is a step along the columns, and one along the rows of what that
// gives. parts are the same step in pieces, whose results fit into registers.
type transform struct {
	from, to int // numbers along an axis
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
	c := s.new()
	VMOVAPS(r, c)
	return c
}

func (s *set) add(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.new()
	VADDPS(y, x, r)
	return r
}

// sub returns x-y.
func (s *set) sub(x, y reg.VecVirtual) reg.VecVirtual {
	r := s.new()
	VSUBPS(y, x, r)
	return r
}

// times returns v*x.
func (s *set) times(v float64, x reg.VecVirtual) reg.VecVirtual {
	r := s.new()
	if s.bytes == 64 {
		VMULPS_BCST(k(v), x, r)
	} else {
		VMULPS(k(v), x, r)
	}
	return r
}

// plus returns y+v*x, in the register of y.
func (s *set) plus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.bytes == 64 {
		VFMADD231PS_BCST(k(v), x, y)
	} else {
		VFMADD231PS(k(v), x, y)
	}
	return y
}

// minus returns y-v*x, in the register of y.
func (s *set) minus(y reg.VecVirtual, v float64, x reg.VecVirtual) reg.VecVirtual {
	if s.bytes == 64 {
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

// apply writes a transform. load returns number (i,j) of its argument, column
// by column; store takes number (i,j) of the result.
func (s *set) apply(t transform, tmp reg.Register, load func(i, j int) reg.VecVirtual, store func(i, j int, r reg.VecVirtual)) {
	parts := t.parts
	if parts == nil || s.held == 0 {
		all := make([]int, t.to)
		for i := range all {
			all[i] = i
		}
		parts = []part{{all, t.step}}
	}
	inRegisters := s.held > 0
	for _, p := range parts {
		held := make([][]reg.VecVirtual, t.to)
		for i := range held {
			held[i] = make([]reg.VecVirtual, t.from)
		}
		for j := range t.from {
			p.step(s, cached(func(i int) reg.VecVirtual { return load(i, j) }), func(i int, r reg.VecVirtual) {
				if inRegisters {
					held[i][j] = r
				} else {
					VMOVUPS(r, Mem{Base: tmp, Disp: (i*t.from + j) * s.bytes})
				}
			})
		}
		for _, i := range p.rows {
			in := func(j int) reg.VecVirtual { return held[i][j] }
			if !inRegisters {
				in = cached(func(j int) reg.VecVirtual {
					r := s.new()
					VMOVUPS(Mem{Base: tmp, Disp: (i*t.from + j) * s.bytes}, r)
					return r
				})
			}
			t.step(s, in, func(j int, r reg.VecVirtual) { store(i, j, r) })
		}
	}
}

// cached calls f once for each number.
func cached(f func(i int) reg.VecVirtual) func(i int) reg.VecVirtual {
	known := map[int]reg.VecVirtual{}
	return func(i int) reg.VecVirtual {
		if _, ok := known[i]; !ok {
			known[i] = f(i)
		}
		return known[i]
	}
}

// strided returns the addresses of n by n numbers that are step bytes apart.
// The two pointers that it keeps go through a matrix column by column, and may
// begin again.
func strided(n int, base, step reg.GPVirtual) func(i, j int) Mem {
	row := GP64()
	IMUL3Q(Imm(uint64(n)), step, row)
	low, high := GP64(), GP64()
	begin := func() {
		MOVQ(base, low)
		LEAQ(Mem{Base: row, Index: row, Scale: 2}, high)
		ADDQ(base, high)
	}
	begin()
	column := 0
	return func(i, j int) Mem {
		if j < column {
			begin()
			column = 0
		}
		for ; column < j; column++ {
			ADDQ(step, low)
			ADDQ(step, high)
		}
		switch i {
		case 0:
			return Mem{Base: low}
		case 1, 2, 4:
			return Mem{Base: low, Index: row, Scale: uint8(i)}
		case 3:
			return Mem{Base: high}
		default:
			return Mem{Base: high, Index: row, Scale: 2}
		}
	}
}

// consecutive returns the addresses of numbers that are step bytes apart, asked
// for one after the other or in jumps.
func consecutive(base, step reg.GPVirtual) func(i int) Mem {
	at, last := GP64(), -2
	return func(i int) Mem {
		switch {
		case i == 0:
			MOVQ(base, at)
		case i == last+1:
			ADDQ(step, at)
		default:
			IMUL3Q(Imm(uint64(i)), step, at)
			ADDQ(base, at)
		}
		last = i
		return Mem{Base: at}
	}
}

// listed returns the addresses of numbers whose places are in a table.
func listed(base, table reg.GPVirtual) func(i int) Mem {
	return func(i int) Mem {
		at := GP64()
		MOVLQSX(Mem{Base: table, Disp: 4 * i}, at)
		return Mem{Base: base, Index: at, Scale: 4}
	}
}

func (s *set) load(m Mem) reg.VecVirtual {
	r := s.new()
	VMOVUPS(m, r)
	return r
}

// bytesParam loads a number of float32 as a number of bytes.
func bytesParam(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	SHLQ(Imm(2), r)
	return r
}

func (s *set) begin(kind string, a algorithm, signature, doc string) {
	name := "winograd" + kind + a.name + s.name
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the %s of %s.", name, doc, a.label))
}

// spread writes a transform from places in a table to equal distances.
func (s *set) spread(kind, doc string, a algorithm, t transform) {
	s.begin(kind, a, "(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)", doc)
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	tmp := Load(Param("tmp"), GP64())
	Label("tile")
	from, to := listed(src, table), consecutive(dst, nextXi)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i*t.from + j)) },
		func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to(i*t.to+j)) })
	ADDQ(U32(uint32(4*t.from*t.from)), table)
	ADDQ(nextTile, dst)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

func (s *set) input(a algorithm) { s.spread("Input", "transform of the input", a, a.input) }

func (s *set) grad(a algorithm) {
	s.spread("Grad", "transform of the gradient of the output", a, a.grad)
}

// output writes the transform from equal distances to places in a table.
func (s *set) output(a algorithm) {
	t := a.output
	s.begin("Output", a, "(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)", "transform of the products to the output")
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	bias := Load(Param("bias"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	tmp := Load(Param("tmp"), GP64())
	Label("tile")
	from, to := strided(t.from, src, nextXi), listed(dst, table)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i, j)) },
		func(i, j int, r reg.VecVirtual) {
			y := s.new()
			VADDPS(Mem{Base: bias}, r, y)
			VMOVUPS(y, to(i*t.to+j))
		})
	ADDQ(U32(uint32(4*t.to*t.to)), table)
	ADDQ(nextTile, src)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// matrix writes a transform between equal distances.
func (s *set) matrix(kind, doc string, a algorithm, t transform) {
	s.begin(kind, a, "(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)", doc)
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	srcStep := bytesParam("srcStep")
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	dstStep := bytesParam("dstStep")
	tmp := Load(Param("tmp"), GP64())
	Label("vector")
	from, to := strided(t.from, src, srcStep), consecutive(dst, dstStep)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i, j)) },
		func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to(i*t.to+j)) })
	ADDQ(Imm(uint64(s.bytes)), src)
	ADDQ(Imm(uint64(s.bytes)), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

func (s *set) filter(a algorithm) {
	s.matrix("Filter", "transform of the weights", a, a.filter)
}

func (s *set) filterGrad(a algorithm) {
	s.matrix("FilterGrad", "transform of the products to the gradient of the weights", a, a.filterGrad)
}
