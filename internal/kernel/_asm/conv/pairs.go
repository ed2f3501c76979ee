package conv

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

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
	a, b, v := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: src}, a)
	VMOVUPS(Mem{Base: src, Disp: bytes}, b)
	VSHUFPS(Imm(0x88), b, a, v)
	VPERMPD(Imm(0xd8), v, v)
	VMOVUPS(v, Mem{Base: even})
	VSHUFPS(Imm(0xdd), b, a, v)
	VPERMPD(Imm(0xd8), v, v)
	VMOVUPS(v, Mem{Base: odd})
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
	a, b, v = YMM(), YMM(), YMM()
	lo, hi := YMM(), YMM()
	VMOVUPS(Mem{Base: even}, a)
	VMOVUPS(Mem{Base: odd}, b)
	VUNPCKLPS(b, a, lo)
	VUNPCKHPS(b, a, hi)
	VPERM2F128(Imm(0x20), hi, lo, v)
	VMOVUPS(v, Mem{Base: dst})
	VPERM2F128(Imm(0x31), hi, lo, v)
	VMOVUPS(v, Mem{Base: dst, Disp: bytes})
	ADDQ(Imm(2*bytes), dst)
	ADDQ(Imm(bytes), even)
	ADDQ(Imm(bytes), odd)
	DECQ(n)
	JNZ(LabelRef("pairs"))
	simd.Ret()
}
