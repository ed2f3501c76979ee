package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// dotQuad divides the number of sums of a tile of dot products: four of them are the
// elements of a 128-bit vector.
const dotQuad = 4

// dot writes a micro-kernel of dot products for some rows of x and of y.
func (s *set) dot(name string, rows, cols int) {
	name += s.Suffix
	TEXT(name, NOSPLIT, "func(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is a dotsFunc of %d rows of x and %d of y.", name, rows, cols))
	address := func(table, base string, n int) []reg.GPVirtual {
		t, b := Load(Param(table), GP64()), Load(Param(base), GP64())
		at := make([]reg.GPVirtual, n)
		for i := range at {
			at[i] = GP64()
			MOVLQSX(Mem{Base: t, Disp: 4 * i}, at[i])
			LEAQ(Mem{Base: b, Index: at[i], Scale: 4}, at[i])
		}
		return at
	}
	ys := address("cols", "y", cols)
	xs := address("rows", "x", rows)
	sum := make([]reg.VecVirtual, rows*cols) // those of a row of y one after the other
	for q := range sum {
		sum[q] = s.Vec()
		s.Clear(sum[q])
	}
	p := GP64()
	XORQ(p, p)
	Label("sum")
	Comment("y comes from memory, once; the processor would prefetch it too late.")
	yv := make([]reg.VecVirtual, cols)
	for j := range yv {
		yv[j] = s.Vec()
		VMOVUPS(Mem{Base: ys[j], Index: p, Scale: 4}, yv[j])
		PREFETCHT0(Mem{Base: ys[j], Index: p, Scale: 4, Disp: 2048})
	}
	xv := s.Vec()
	for i := range xs {
		VMOVUPS(Mem{Base: xs[i], Index: p, Scale: 4}, xv)
		for j := range yv {
			VFMADD231PS(xv, yv[j], sum[j*rows+i])
		}
	}
	ADDQ(Imm(uint64(s.Bytes()/4)), p)
	k, err := Param("k").Resolve() // there may be no register left for it
	if err != nil {
		panic(err)
	}
	CMPQ(p, k.Addr)
	JLT(LabelRef("sum"))

	Comment("Add up the lanes of four sums.")
	c := Load(Param("c"), GP64())
	for q := range len(sum) / dotQuad {
		a, b, e, f := sum[q*dotQuad], sum[q*dotQuad+1], sum[q*dotQuad+2], sum[q*dotQuad+3]
		t := s.Vec()
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
		if s.Bytes() == 64 {
			half = YMM()
			VEXTRACTF32X8(Imm(1), a, half)
			VADDPS(a.AsY(), half, half)
		}
		quarter := XMM()
		VEXTRACTF128(Imm(1), half.AsY(), quarter)
		VADDPS(half.AsX(), quarter, quarter)
		VADDPS(Mem{Base: c, Disp: 16 * q}, quarter, quarter)
		VMOVUPS(quarter, Mem{Base: c, Disp: 16 * q})
	}
	simd.Ret()
}
