package conv

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

type (
	transform = winograd.Transform[reg.VecVirtual]
	algorithm = winograd.Algorithm[reg.VecVirtual]
)

// apply writes a transform. load returns element (i,j) of its argument, column by
// column; store takes element (i,j) of the result.
func (s *set) apply(t transform, tmp reg.Register, load func(i, j int) reg.VecVirtual, store func(i, j int, r reg.VecVirtual)) {
	at := func(i int) Mem { return Mem{Base: tmp, Disp: i * s.Bytes()} }
	winograd.Apply(s, t, s.inRegisters, func(i int, r reg.VecVirtual) { VMOVUPS(r, at(i)) }, func(i int) reg.VecVirtual { return s.load(at(i)) }, load, store)
}

// strided returns the addresses of n by n elements that are step bytes apart. Its two
// pointers go through a matrix column by column, and may begin again.
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

// consecutive returns the addresses of elements that are step bytes apart. It is
// fastest for one after the other.
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

// listed returns the addresses of elements whose offsets are in a table.
func listed(base, table reg.GPVirtual) func(i int) Mem {
	return func(i int) Mem {
		at := GP64()
		MOVLQSX(Mem{Base: table, Disp: 4 * i}, at)
		return Mem{Base: base, Index: at, Scale: 4}
	}
}

func (s *set) load(m Mem) reg.VecVirtual {
	r := s.Vec()
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
	name := "winograd" + kind + a.Name + s.Suffix
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the %s of %s.", name, doc, a.Label))
}

// spread writes a transform from offsets in a table to equal distances.
func (s *set) spread(kind, doc string, a algorithm, t transform) {
	s.begin(kind, a, "(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)", doc)
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	tmp := Load(Param("tmp"), GP64())
	s.hold(t.Step)
	Label("tile")
	from, to := listed(src, table), consecutive(dst, nextXi)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i*t.From + j)) },
		func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to(i*t.To+j)) })
	ADDQ(U32(uint32(4*t.From*t.From)), table)
	ADDQ(nextTile, dst)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
}

func (s *set) input(a algorithm) { s.spread("Input", "transform of the input", a, a.Input) }

func (s *set) grad(a algorithm) {
	s.spread("Grad", "transform of the gradient of the output", a, a.Grad)
}

// output writes the transform from equal distances to offsets in a table.
func (s *set) output(a algorithm) {
	t := a.Output
	s.begin("Output", a, "(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)", "transform of the products to the output")
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	bias := Load(Param("bias"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	tmp := Load(Param("tmp"), GP64())
	s.hold(t.Step)
	Label("tile")
	from, to := strided(t.From, src, nextXi), listed(dst, table)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i, j)) },
		func(i, j int, r reg.VecVirtual) {
			y := s.Vec()
			VADDPS(Mem{Base: bias}, r, y)
			VMOVUPS(y, to(i*t.To+j))
		})
	ADDQ(U32(uint32(4*t.To*t.To)), table)
	ADDQ(nextTile, src)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
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
	s.held = nil
	Label("vector")
	from, to := strided(t.From, src, srcStep), consecutive(dst, dstStep)
	s.apply(t, tmp,
		func(i, j int) reg.VecVirtual { return s.load(from(i, j)) },
		func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to(i*t.To+j)) })
	ADDQ(Imm(uint64(s.Bytes())), src)
	ADDQ(Imm(uint64(s.Bytes())), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	simd.Ret()
}

func (s *set) filter(a algorithm) {
	s.matrix("Filter", "transform of the weights", a, a.Filter)
}

func (s *set) filterGrad(a algorithm) {
	s.matrix("FilterGrad", "transform of the products to the gradient of the weights", a, a.FilterGrad)
}
