package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// blockVectors is the number of vectors of a row of the widest block.
const blockVectors = 2

// line64 is the size of a line of memory in bytes.
const line64 = 64

// block writes the micro-kernel for strips of the given number of rows and panels of
// the given number of vectors.
func (s *set) block(rows, vectors int) {
	name := fmt.Sprintf("block%s_%dx%d", s.Suffix, rows, vectors)
	TEXT(name, NOSPLIT, "func(k int, a, b, next *float32, step int, bias, c *float32, ldc int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the BlockFunc of %d rows and %d vectors.", name, rows, vectors))
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	sum := make([][]reg.VecVirtual, rows)
	for i := range sum {
		for range vectors {
			sum[i] = append(sum[i], s.Vec())
		}
	}
	// each calls f for every row, with an address that starts with at.
	each := func(at reg.Register, f func(row Mem, sum []reg.VecVirtual)) {
		row := GP64()
		MOVQ(at, row)
		for i := range sum {
			f(Mem{Base: row}, sum[i])
			if i < rows-1 {
				ADDQ(ldc, row)
			}
		}
	}

	Comment("The sums begin with the bias, c or zero.")
	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JZ(LabelRef("add"))
	for i := range sum {
		VBROADCASTSS(Mem{Base: bias, Disp: 4 * i}, sum[i][0])
		for _, r := range sum[i][1:] {
			VMOVAPS(sum[i][0], r)
		}
	}
	JMP(LabelRef("below"))
	Label("add")
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef("zero"))
	each(c, func(row Mem, sum []reg.VecVirtual) {
		for j, r := range sum {
			VMOVUPS(row.Offset(j*s.Bytes()), r)
		}
	})
	JMP(LabelRef("below"))
	Label("zero")
	for i := range sum {
		for _, r := range sum[i] {
			s.Clear(r)
		}
	}

	Label("below")
	Comment("The rows below are next.")
	below := GP64()
	MOVQ(c, below)
	for range rows {
		ADDQ(ldc, below)
	}
	each(below, func(row Mem, _ []reg.VecVirtual) {
		PREFETCHT0(row)
		if end := vectors*s.Bytes() - 4; end >= line64 {
			PREFETCHT0(row.Offset(end))
		}
	})

	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	next := Load(Param("next"), GP64())
	step := Load(Param("step"), GP64())
	SHLQ(Imm(2), step)
	Label("sum")
	bv := make([]reg.VecVirtual, vectors)
	for j := range bv {
		bv[j] = s.Vec()
		VMOVUPS(Mem{Base: b, Disp: j * s.Bytes()}, bv[j])
	}
	PREFETCHT1(Mem{Base: next})
	for i := range sum {
		av := s.Vec()
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, av)
		for j := range bv {
			VFMADD231PS(av, bv[j], sum[i][j])
		}
	}
	ADDQ(step, next)
	ADDQ(Imm(uint64(4*rows)), a)
	ADDQ(U32(uint32(vectors*s.Bytes())), b)
	DECQ(k)
	JNZ(LabelRef("sum"))
	each(c, func(row Mem, sum []reg.VecVirtual) {
		for j, r := range sum {
			VMOVUPS(r, row.Offset(j*s.Bytes()))
		}
	})
	simd.Ret()
}
