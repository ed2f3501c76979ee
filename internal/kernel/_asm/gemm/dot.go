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

// few writes a micro-kernel of dot products for some packed rows of x and some rows of y.
func (s *set) few(rows, cols int) {
	name := fmt.Sprintf("few%s_%dx%d", s.Suffix, rows, cols)
	TEXT(name, NOSPLIT, "func(k int, x, y *float32, cols *int32, ahead int, c *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the FewFunc of %d rows of x and %d of y.", name, rows, cols))
	ys := addresses("cols", "y", cols)
	x := Load(Param("x"), GP64())
	ahead := Load(Param("ahead"), GP64())
	sum := s.sums(rows * cols)
	p := GP64()
	XORQ(p, p)
	Label("sum")
	Comment("y comes from memory, once. Prefetching it to the first cache would keep a buffer of that busy.")
	load := func(m Mem) reg.VecVirtual {
		v := s.Vec()
		VMOVUPS(m, v)
		return v
	}
	xAt := func(i int) Mem { return Mem{Base: x, Disp: i * s.Bytes()} }
	yAt := func(j int) Mem { return Mem{Base: ys[j], Index: p, Scale: 4} }
	for _, y := range ys {
		PREFETCHT1(Mem{Base: y, Index: ahead, Scale: 4})
	}
	if rows < cols { // keep the vectors of x, and otherwise those of y
		xv := make([]reg.VecVirtual, rows)
		for i := range xv {
			xv[i] = load(xAt(i))
		}
		for j := range cols {
			yv := load(yAt(j))
			for i := range xv {
				VFMADD231PS(xv[i], yv, sum[j*rows+i])
			}
		}
	} else {
		yv := make([]reg.VecVirtual, cols)
		for j := range yv {
			yv[j] = load(yAt(j))
		}
		for i := range rows {
			xv := load(xAt(i))
			for j := range yv {
				VFMADD231PS(xv, yv[j], sum[j*rows+i])
			}
		}
	}
	ADDQ(U32(uint32(rows*s.Bytes())), x)
	ADDQ(Imm(uint64(s.Lanes)), ahead)
	s.endDots(p, sum)
}

// dot writes a micro-kernel of dot products for some rows of x and of y.
func (s *set) dot(name string, rows, cols int) {
	name += s.Suffix
	TEXT(name, NOSPLIT, "func(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is a DotsFunc of %d rows of x and %d of y.", name, rows, cols))
	ys := addresses("cols", "y", cols)
	xs := addresses("rows", "x", rows)
	sum := s.sums(rows * cols)
	p := GP64()
	XORQ(p, p)
	Label("sum")
	yv := make([]reg.VecVirtual, cols)
	for j := range yv {
		yv[j] = s.Vec()
		VMOVUPS(Mem{Base: ys[j], Index: p, Scale: 4}, yv[j])
	}
	xv := s.Vec()
	for i := range xs {
		VMOVUPS(Mem{Base: xs[i], Index: p, Scale: 4}, xv)
		for j := range yv {
			VFMADD231PS(xv, yv[j], sum[j*rows+i])
		}
	}
	s.endDots(p, sum)
}

// addresses returns the addresses of n rows of a matrix, which a table of offsets describes.
func addresses(table, base string, n int) []reg.GPVirtual {
	t, b := Load(Param(table), GP64()), Load(Param(base), GP64())
	at := make([]reg.GPVirtual, n)
	for i := range at {
		at[i] = GP64()
		MOVLQSX(Mem{Base: t, Disp: 4 * i}, at[i])
		LEAQ(Mem{Base: b, Index: at[i], Scale: 4}, at[i])
	}
	return at
}

// sums returns n sums of 0.
func (s *set) sums(n int) []reg.VecVirtual {
	sum := make([]reg.VecVirtual, n)
	for q := range sum {
		sum[q] = s.Vec()
		s.Clear(sum[q])
	}
	return sum
}

// endDots ends the loop over p at k and adds the lanes of the sums to c.
func (s *set) endDots(p reg.Register, sum []reg.VecVirtual) {
	ADDQ(Imm(uint64(s.Lanes)), p)
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
