package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// fewLines is the number of rows up to which a line kernel is so fast that x may come from
// memory, and is brought to the second cache, where a prefetch does not keep a buffer of the
// first one. With more rows x is in the second cache already.
const fewLines = 2

// line writes the micro-kernel for panels of the given number of rows and
// blocks of the given number of vectors.
func (s *set) line(rows, vectors int) {
	name := fmt.Sprintf("line%s_%dx%d", s.Suffix, rows, vectors)
	TEXT(name, NOSPLIT, "func(blocks, k int, x *float32, from *int32, off *int32, w, init, c *float32, to *int32, ldc int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the lineFunc of %d rows and %d vectors.", name, rows, vectors))
	blocks := Load(Param("blocks"), GP64())
	from := Load(Param("from"), GP64())
	to := Load(Param("to"), GP64())
	sum := make([][]reg.VecVirtual, rows)
	for i := range sum {
		for range vectors {
			sum[i] = append(sum[i], s.Vec())
		}
	}
	at := make([]reg.GPVirtual, vectors)
	for v := range at {
		at[v] = GP64()
	}
	address := func(table reg.Register, base string) {
		b := Load(Param(base), GP64())
		for v, r := range at {
			MOVLQSX(Mem{Base: table, Disp: 4 * v}, r)
			LEAQ(Mem{Base: b, Index: r, Scale: 4}, r)
		}
	}
	each := func(f func(at Mem, sum reg.VecVirtual)) {
		ldc := Load(Param("ldc"), GP64())
		for i := range sum {
			for v, r := range sum[i] {
				f(Mem{Base: at[v]}, r)
			}
			if i == len(sum)-1 {
				break
			}
			for _, r := range at {
				LEAQ(Mem{Base: r, Index: ldc, Scale: 4}, r)
			}
		}
	}

	Label("block")
	init := Load(Param("init"), GP64())
	TESTQ(init, init)
	JZ(LabelRef("add"))
	for i := range sum {
		VBROADCASTSS(Mem{Base: init, Disp: 4 * i}, sum[i][0])
		for _, r := range sum[i][1:] {
			VMOVAPS(sum[i][0], r)
		}
	}
	JMP(LabelRef("from"))
	Label("add")
	address(to, "c")
	each(func(m Mem, r reg.VecVirtual) { VMOVUPS(m, r) })

	Label("from")
	address(from, "x")
	ADDQ(Imm(uint64(4*vectors)), from)
	k := Load(Param("k"), GP64())
	off := Load(Param("off"), GP64())
	w := Load(Param("w"), GP64())
	Label("sum")
	Comment("The lines of x are far apart, so the processor prefetches none.")
	prefetch := PREFETCHT0
	if rows <= fewLines {
		prefetch = PREFETCHT1
	}
	o, ow := GP64(), GP64()
	MOVLQSX(Mem{Base: off}, o)
	MOVLQSX(Mem{Base: off, Disp: 4}, ow)
	xv := make([]reg.VecVirtual, vectors)
	for v := range xv {
		xv[v] = s.Vec()
		VMOVUPS(Mem{Base: at[v], Index: o, Scale: 4}, xv[v])
		prefetch(Mem{Base: at[v], Index: o, Scale: 4, Disp: 512})
	}
	for i := range sum {
		wv := s.Vec()
		VBROADCASTSS(Mem{Base: w, Index: ow, Scale: 4, Disp: 4 * i}, wv)
		for v := range xv {
			VFMADD231PS(wv, xv[v], sum[i][v])
		}
	}
	ADDQ(Imm(8), off)
	DECQ(k)
	JNZ(LabelRef("sum"))

	address(to, "c")
	ADDQ(Imm(uint64(4*vectors)), to)
	each(func(m Mem, r reg.VecVirtual) { VMOVUPS(r, m) })
	DECQ(blocks)
	JNZ(LabelRef("block"))
	simd.Ret()
}
