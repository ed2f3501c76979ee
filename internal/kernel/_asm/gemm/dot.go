package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dotRows is the number of rows of x of a tile of dot products: the sums of a
// row of y with them are the numbers of a 128-bit vector.
const dotRows = 4

// dot writes the micro-kernel of dot products for cols rows of y.
func (s *set) dot(cols int) {
	name := "dots" + s.name
	TEXT(name, NOSPLIT, "func(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the dotsFunc of %d rows of y.", name, cols))
	place := func(table, base string, n int) []reg.GPVirtual {
		t, b := Load(Param(table), GP64()), Load(Param(base), GP64())
		at := make([]reg.GPVirtual, n)
		for i := range at {
			at[i] = GP64()
			MOVLQSX(Mem{Base: t, Disp: 4 * i}, at[i])
			LEAQ(Mem{Base: b, Index: at[i], Scale: 4}, at[i])
		}
		return at
	}
	ys := place("cols", "y", cols)
	xs := place("rows", "x", dotRows)
	var sum [dotRows][]reg.VecVirtual
	for i := range sum {
		for range cols {
			r := s.new()
			s.zero(r)
			sum[i] = append(sum[i], r)
		}
	}
	k := Load(Param("k"), GP64())
	p := GP64()
	XORQ(p, p)
	Label("sum")
	Comment("y comes from memory, once; the processor by itself fetches it too late.")
	yv := make([]reg.VecVirtual, cols)
	for j := range yv {
		yv[j] = s.new()
		VMOVUPS(Mem{Base: ys[j], Index: p, Scale: 4}, yv[j])
		PREFETCHT0(Mem{Base: ys[j], Index: p, Scale: 4, Disp: 2048})
	}
	xv := s.new()
	for i := range sum {
		VMOVUPS(Mem{Base: xs[i], Index: p, Scale: 4}, xv)
		for j := range yv {
			VFMADD231PS(xv, yv[j], sum[i][j])
		}
	}
	ADDQ(Imm(uint64(s.bytes/4)), p)
	CMPQ(p, k)
	JLT(LabelRef("sum"))

	Comment("The numbers of the four sums of a row of y come together.")
	c := Load(Param("c"), GP64())
	for j := range cols {
		a, b, e, f := sum[0][j], sum[1][j], sum[2][j], sum[3][j]
		t := s.new()
		pair := func(a, b reg.VecVirtual) {
			VUNPCKLPS(b, a, t)
			VUNPCKHPS(b, a, a)
			VADDPS(t, a, a)
		}
		pair(a, b)
		pair(e, f)
		VUNPCKLPD(e, a, t)
		VUNPCKHPD(e, a, a)
		VADDPS(t, a, a)
		half := a
		if s.bytes == 64 {
			half = YMM()
			VEXTRACTF32X8(Imm(1), a, half)
			VADDPS(a.AsY(), half, half)
		}
		quarter := XMM()
		VEXTRACTF128(Imm(1), half.AsY(), quarter)
		VADDPS(half.AsX(), quarter, quarter)
		VADDPS(Mem{Base: c, Disp: 16 * j}, quarter, quarter)
		VMOVUPS(quarter, Mem{Base: c, Disp: 16 * j})
	}
	VZEROUPPER()
	RET()
}
