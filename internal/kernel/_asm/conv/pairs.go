package conv

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// pairs writes the loops that take neighbouring elements apart and put them together, for
// both instruction sets: rows are short, and wider vectors would not make them faster.
func pairs() {
	const bytes = 32
	TEXT("splitPairsAVX2", NOSPLIT, "func(n int, src, even, odd *float32)")
	Pragma("noescape")
	Doc("splitPairsAVX2 is a pairsFunc that sets even and odd to the elements of src.")
	n := Load(Param("n"), GP64())
	src, even, odd := Load(Param("src"), GP64()), Load(Param("even"), GP64()), Load(Param("odd"), GP64())
	Label("pairs")
	splitPairs(Mem{Base: src}, Mem{Base: even}, Mem{Base: odd})
	ADDQ(Imm(2*bytes), src)
	ADDQ(Imm(bytes), even)
	ADDQ(Imm(bytes), odd)
	DECQ(n)
	JNZ(LabelRef("pairs"))
	simd.Ret()

	TEXT("joinPairsAVX2", NOSPLIT, "func(n int, dst, even, odd *float32)")
	Pragma("noescape")
	Doc("joinPairsAVX2 is a pairsFunc that sets the elements of dst to those of even and odd.")
	n = Load(Param("n"), GP64())
	dst, even, odd := Load(Param("dst"), GP64()), Load(Param("even"), GP64()), Load(Param("odd"), GP64())
	Label("pairs")
	a, b := YMM(), YMM()
	VMOVUPS(Mem{Base: even}, a)
	VMOVUPS(Mem{Base: odd}, b)
	joinPairs(a, b, Mem{Base: dst})
	ADDQ(Imm(2*bytes), dst)
	ADDQ(Imm(bytes), even)
	ADDQ(Imm(bytes), odd)
	DECQ(n)
	JNZ(LabelRef("pairs"))
	simd.Ret()
}

// splitPairs takes eight pairs apart.
func splitPairs(src, even, odd Mem) {
	a, b, v := YMM(), YMM(), YMM()
	VMOVUPS(src, a)
	VMOVUPS(src.Offset(32), b)
	VSHUFPS(Imm(0x88), b, a, v)
	VPERMPD(Imm(0xd8), v, v)
	VMOVUPS(v, even)
	VSHUFPS(Imm(0xdd), b, a, v)
	VPERMPD(Imm(0xd8), v, v)
	VMOVUPS(v, odd)
}

// joinPairs puts eight pairs together.
func joinPairs(even, odd reg.VecVirtual, to Mem) {
	lo, hi, v := YMM(), YMM(), YMM()
	VUNPCKLPS(odd, even, lo)
	VUNPCKHPS(odd, even, hi)
	VPERM2F128(Imm(0x20), hi, lo, v)
	VMOVUPS(v, to)
	VPERM2F128(Imm(0x31), hi, lo, v)
	VMOVUPS(v, to.Offset(32))
}

// pairRows writes splitPairs for rows. The last vector of a row may overlap the one before.
func pairRows() {
	const lanes = 8
	TEXT("splitRowsAVX2", NOSPLIT, "func(rows, pairs int, src *float32, lds int, even, odd *float32, ldd int)")
	Pragma("noescape")
	Doc("splitRowsAVX2 is a splitRowsFunc.")
	rows, pairs := Load(Param("rows"), GP64()), Load(Param("pairs"), GP64())
	src, lds := Load(Param("src"), GP64()), bytesParam("lds")
	even, odd, ldd := Load(Param("even"), GP64()), Load(Param("odd"), GP64()), bytesParam("ldd")
	last := GP64()
	LEAQ(Mem{Base: pairs, Disp: -lanes}, last)
	Label("row")
	at := GP64()
	XORQ(at, at)
	Label("pairs")
	splitPairs(Mem{Base: src, Index: at, Scale: 8}, Mem{Base: even, Index: at, Scale: 4}, Mem{Base: odd, Index: at, Scale: 4})
	CMPQ(at, last)
	JE(LabelRef("end"))
	ADDQ(Imm(lanes), at)
	CMPQ(at, last)
	CMOVQGT(last, at)
	JMP(LabelRef("pairs"))
	Label("end")
	ADDQ(lds, src)
	ADDQ(ldd, even)
	ADDQ(ldd, odd)
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.Ret()
}
