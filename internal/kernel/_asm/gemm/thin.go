package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// right is the distance in bytes of the elements on the right of c that a thin kernel brings to the
// second cache: two panels with AVX-512. 512 were 5 to 10 % slower for 8 items, and 128 as much.
const right = 256

// thin writes the micro-kernel for strips of the given number of rows and panels that are part
// of a matrix.
func (s *set) thin(rows int) {
	const vectors = blockVectors
	name := fmt.Sprintf("thin%s_%d", s.Suffix, rows)
	TEXT(name, NOSPLIT, "func(k int, a, b *float32, ldb, ahead int, to, c *float32, ldc int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the ThinFunc of %d rows.", name, rows))
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	sum := make([][]reg.VecVirtual, rows)
	for i := range sum {
		for range vectors {
			sum[i] = append(sum[i], s.Vec())
		}
	}
	each := func(f func(at Mem, sum []reg.VecVirtual)) {
		row := GP64()
		MOVQ(c, row)
		for i := range sum {
			f(Mem{Base: row}, sum[i])
			if i < rows-1 {
				ADDQ(ldc, row)
			}
		}
	}
	each(func(at Mem, sum []reg.VecVirtual) {
		for j, r := range sum {
			VMOVUPS(at.Offset(j*s.Bytes()), r)
		}
		for end := line64 - 4; end < vectors*s.Bytes(); end += line64 {
			PREFETCHT1(at.Offset(right + end))
		}
	})

	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	ldb := Load(Param("ldb"), GP64())
	SHLQ(Imm(2), ldb)
	ahead := Load(Param("ahead"), GP64())
	to := Load(Param("to"), GP64())
	loop := func(label string, copied bool) {
		Label(label)
		bv := make([]reg.VecVirtual, vectors)
		for j := range bv {
			bv[j] = s.Vec()
			VMOVUPS(Mem{Base: b, Disp: j * s.Bytes()}, bv[j])
			if copied {
				VMOVUPS(bv[j], Mem{Base: to, Disp: j * s.Bytes()})
			}
		}
		for end := line64 - 4; end < vectors*s.Bytes(); end += line64 {
			PREFETCHT1(Mem{Base: b, Index: ahead, Scale: 4, Disp: end}) // the panel on the left began the first line
		}
		for i := range sum {
			av := s.Vec()
			VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, av)
			for j := range bv {
				VFMADD231PS(av, bv[j], sum[i][j])
			}
		}
		ADDQ(ldb, b)
		ADDQ(Imm(uint64(4*rows)), a)
		if copied {
			ADDQ(U32(uint32(vectors*s.Bytes())), to)
		}
		DECQ(k)
		JNZ(LabelRef(label))
	}
	TESTQ(to, to)
	JZ(LabelRef("sum"))
	loop("copy", true)
	JMP(LabelRef("end"))
	loop("sum", false)
	Label("end")
	each(func(at Mem, sum []reg.VecVirtual) {
		for j, r := range sum {
			VMOVUPS(r, at.Offset(j*s.Bytes()))
		}
	})
	simd.Ret()
}
