package conv

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

type vector = reg.VecVirtual

// fourier returns what writes transforms, with the matrix at tmp.
func (s *set) fourier(tmp reg.Register) winograd.Fourier[vector, reg.GPVirtual] {
	at := func(p reg.GPVirtual, i int) Mem { return Mem{Base: p, Disp: i * s.Bytes()} }
	labels := 0
	s.holdFactors(0.5, winograd.Root)
	return winograd.Fourier[vector, reg.GPVirtual]{
		Arithmetic: s,
		Loop: func(n int, body func()) {
			label := fmt.Sprintf("loop%d", labels)
			labels++
			counter := GP64()
			MOVQ(U32(uint32(n)), counter)
			Label(label)
			body()
			DECQ(counter)
			JNZ(LabelRef(label))
		},
		Pointer: func(i int) reg.GPVirtual {
			p := GP64()
			LEAQ(Mem{Base: tmp, Disp: i * s.Bytes()}, p)
			return p
		},
		Move: func(p reg.GPVirtual, by int) { ADDQ(U32(uint32(by*s.Bytes())), p) },
		Get:  func(p reg.GPVirtual, i int) vector { return s.load(at(p, i)) },
		Put:  func(p reg.GPVirtual, i int, r vector) { VMOVUPS(r, at(p, i)) },
	}
}

var fourierNames = algorithm{Name: winograd.FourierName, Label: winograd.FourierLabel}

// fouriers writes all transforms.
func (s *set) fouriers() {
	alone, factors := winograd.InputFactors[vector](s)
	s.fourierSpread("Input", "transform of the input", winograd.FourierSize, alone, factors)
	alone, factors = winograd.GradFactors[vector](s)
	s.fourierSpread("Grad", "transform of the gradient of the output", winograd.FourierOutputs, alone, factors)
	s.fourierOutput()
	s.fourierFilter()
	s.fourierFilterGrad()
}

// follow returns a pointer that visits elements step bytes apart, and what begins again.
func follow(base, step reg.GPVirtual) (begin func(), next func() Mem) {
	at := GP64()
	return func() { MOVQ(base, at); SUBQ(step, at) }, func() Mem {
		ADDQ(step, at)
		return Mem{Base: at}
	}
}

// fourierSpread writes a transform from offsets in a table to equal distances.
func (s *set) fourierSpread(kind, doc string, n int, alone func(r vector) vector, factors func(p, q vector) [3]vector) {
	s.begin(kind, fourierNames, "(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)", doc)
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	f := s.fourier(Load(Param("tmp"), GP64()))
	begin, next := follow(dst, nextXi)
	from := listed(src, table)
	Label("tile")
	begin()
	f.Spread(n, func() { ADDQ(Imm(4), table) }, func(i int) vector { return s.load(from(i * n)) },
		func(r vector) { VMOVUPS(r, next()) }, alone, factors)
	ADDQ(U32(uint32(4*(n*n-n))), table)
	ADDQ(nextTile, dst)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
}

// fourierOutput writes the transform from equal distances to offsets in a table.
func (s *set) fourierOutput() {
	const n = winograd.FourierOutputs
	s.begin("Output", fourierNames, "(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)", "transform of the products to the output")
	tiles := Load(Param("tiles"), GP64()).(reg.GPVirtual)
	table := Load(Param("table"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	nextTile, nextXi := bytesParam("nextTile"), bytesParam("nextXi")
	bias := s.load(Mem{Base: Load(Param("bias"), GP64())})
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	f := s.fourier(Load(Param("tmp"), GP64()))
	begin, next := follow(src, nextXi)
	to := listed(dst, table)
	alone, whole := winograd.OutputProducts[vector](s)
	Label("tile")
	begin()
	f.Gather(n, func() vector { return s.load(next()) }, func(i int, r vector) {
		y := s.Vec()
		VADDPS(bias, r, y)
		VMOVUPS(y, to(i*n))
	}, func() { ADDQ(Imm(4), table) }, alone, whole)
	ADDQ(U32(4*(n*n-n)), table)
	ADDQ(nextTile, src)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
}

// fourierMatrix begins a transform between equal distances, of n vectors.
func (s *set) fourierMatrix(kind, doc string, body func(f winograd.Fourier[vector, reg.GPVirtual], src, srcStep, dst, dstStep reg.GPVirtual)) {
	s.begin(kind, fourierNames, "(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)", doc)
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	srcStep := bytesParam("srcStep")
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	dstStep := bytesParam("dstStep")
	f := s.fourier(Load(Param("tmp"), GP64()))
	Label("vector")
	body(f, src, srcStep, dst, dstStep)
	ADDQ(Imm(uint64(s.Bytes())), src)
	ADDQ(Imm(uint64(s.Bytes())), dst)
	DECQ(n)
	JNZ(LabelRef("vector"))
	simd.Ret()
}

func (s *set) fourierFilter() {
	alone, factors := winograd.FilterFactors[vector](s)
	s.fourierMatrix("Filter", "transform of the weights", func(f winograd.Fourier[vector, reg.GPVirtual], src, srcStep, dst, dstStep reg.GPVirtual) {
		begin, from, move := column(src, srcStep)
		first, next := follow(dst, dstStep)
		begin()
		first()
		f.Spread(winograd.FourierTaps, move, func(i int) vector { return s.load(from(i)) }, func(r vector) { VMOVUPS(r, next()) }, alone, factors)
	})
}

func (s *set) fourierFilterGrad() {
	alone, whole := winograd.FilterGradProducts[vector](s)
	s.fourierMatrix("FilterGrad", "transform of the products to the gradient of the weights", func(f winograd.Fourier[vector, reg.GPVirtual], src, srcStep, dst, dstStep reg.GPVirtual) {
		first, next := follow(src, srcStep)
		begin, to, move := column(dst, dstStep)
		first()
		begin()
		f.Gather(winograd.FourierTaps, func() vector { return s.load(next()) }, func(i int, r vector) { VMOVUPS(r, to(i)) }, move, alone, whole)
	})
}

// column returns the addresses of the elements of a column of the weights, and what moves them
// to the next column.
func column(base, step reg.GPVirtual) (begin func(), at func(i int) Mem, move func()) {
	row, low, high := GP64(), GP64(), GP64()
	IMUL3Q(Imm(winograd.FourierTaps), step, row)
	return func() {
			MOVQ(base, low)
			LEAQ(Mem{Base: row, Index: row, Scale: 2}, high)
			ADDQ(base, high)
		}, func(i int) Mem {
			switch i {
			case 0:
				return Mem{Base: low}
			case 3:
				return Mem{Base: high}
			}
			return Mem{Base: low, Index: row, Scale: uint8(i)}
		}, func() {
			ADDQ(step, low)
			ADDQ(step, high)
		}
}
