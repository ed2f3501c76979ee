// Package gemm writes the micro-kernels of matrix products, the transposition of
// blocks and the loop that measures the peak. The types of the functions, in
// micro.go of package gemm, say what they compute.
package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// rows is the number of rows of a tile. With 6 rows of 4 vectors there are 24
// sums, which leaves registers for the 4 vectors of b and some elements of x; with
// AVX2 there are 6 rows of 2.
const rows = 6

// tallRows is the number of rows of x of a dotsTall.
const tallRows = 12

// A set is an instruction set and the sizes of its micro-kernels.
type set struct {
	*simd.Set
	vectors int      // in the widest panel
	tiles   [][2]int // rows of packed x, and of y, of tiles of dot products
	dots    int      // rows of y of a DotsFunc
	strip   int      // rows of the highest block
}

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa, 2, [][2]int{{1, 8}, {2, 6}, {4, 3}}, 3, 6}
		if isa.Wide {
			s = &set{isa, 4, [][2]int{{1, 8}, {2, 8}, {4, 6}}, 6, 12}
		}
		for v := 1; v <= s.vectors; v++ {
			s.tile(v)
		}
		for _, size := range s.tiles {
			s.few(size[0], size[1])
		}
		s.dot("dots", dotQuad, s.dots)
		s.dot("dotsTall", tallRows, 1)
		for r := 1; r <= rows; r++ {
			for v := 1; v <= s.vectors; v++ {
				s.line(r, v)
			}
		}
		for r := 1; r <= s.strip; r++ {
			for v := 1; v <= blockVectors; v++ {
				s.block(r, v)
			}
			s.thin(r)
		}
		s.fmaLoop()
	}
	transposeAVX2()
	transposeAVX512()
	copyRows()
}

// tile writes the micro-kernel for panels of the given number of vectors: a loop over tiles of
// all rows, and one tile for each number of rows that may be left.
func (s *set) tile(vectors int) {
	name := fmt.Sprintf("tile%sx%d", s.Suffix, vectors)
	TEXT(name, NOSPLIT, "func(n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the TileFunc for panels of %d columns.", name, vectors*s.Bytes()/4))
	n := Load(Param("n"), GP64())
	row := Load(Param("rows"), GP64())
	init := Load(Param("init"), GP64())
	c := Load(Param("c"), GP64())

	sum := make([][]reg.VecVirtual, rows)
	for i := range sum {
		for range vectors {
			sum[i] = append(sum[i], s.Vec())
		}
	}
	CMPQ(n, Imm(rows))
	JLT(LabelRef("last"))
	Label("tile")
	s.tileOf(sum, row, init, c)
	SUBQ(Imm(rows), n)
	CMPQ(n, Imm(rows))
	JGE(LabelRef("tile"))

	Label("last")
	for height := rows - 1; height > 0; height-- {
		CMPQ(n, Imm(uint64(height)))
		JEQ(LabelRef(fmt.Sprintf("last%d", height)))
	}
	simd.Ret()
	for height := rows - 1; height > 0; height-- {
		Label(fmt.Sprintf("last%d", height))
		s.tileOf(sum[:height], row, init, c)
		simd.Ret()
	}
}

// tileOf writes a tile that has the given sums, and advances to the rows below.
func (s *set) tileOf(sum [][]reg.VecVirtual, row, init, c reg.Register) {
	height, vectors := len(sum), len(sum[0])
	label := func(name string) string { return fmt.Sprintf("%s%d", name, height) }
	Comment("The sums begin with init, or with zero. The rows below are next.")
	TESTQ(init, init)
	JZ(LabelRef(label("zero")))
	ldi := Load(Param("ldi"), GP64())
	next := GP64()
	if height == rows {
		IMUL3Q(Imm(4*rows), ldi, next)
	}
	for i := range sum {
		for j, r := range sum[i] {
			VMOVUPS(Mem{Base: init, Disp: j * s.Bytes()}, r)
			if height == rows {
				PREFETCHT0(Mem{Base: init, Index: next, Scale: 1, Disp: j * s.Bytes()})
			}
		}
		LEAQ(Mem{Base: init, Index: ldi, Scale: 4}, init)
	}
	JMP(LabelRef(label("rows")))
	Label(label("zero"))
	for i := range sum {
		for _, r := range sum[i] {
			s.Clear(r)
		}
	}

	Label(label("rows"))
	Comment("The addresses of the rows.")
	x := Load(Param("x"), GP64())
	at := make([]reg.GPVirtual, height)
	for i := range at {
		at[i] = GP64()
		MOVLQSX(Mem{Base: row, Disp: 4 * i}, at[i])
		LEAQ(Mem{Base: x, Index: at[i], Scale: 4}, at[i])
	}
	ADDQ(Imm(uint64(4*height)), row)
	k := Load(Param("k"), GP64())
	off := Load(Param("off"), GP64())
	b := Load(Param("b"), GP64())
	TESTQ(k, k)
	JZ(LabelRef(label("store")))

	Label(label("sum"))
	o := GP64()
	MOVLQSX(Mem{Base: off}, o)
	bv := make([]reg.VecVirtual, vectors)
	for j := range bv {
		bv[j] = s.Vec()
		VMOVUPS(Mem{Base: b, Disp: j * s.Bytes()}, bv[j])
	}
	for i := range sum {
		x := Mem{Base: at[i], Index: o, Scale: 4}
		if s.Wide && vectors == 1 { // an element of x has one use
			VFMADD231PS_BCST(x, bv[0], sum[i][0])
			continue
		}
		xv := s.Vec()
		VBROADCASTSS(x, xv)
		for j := range bv {
			VFMADD231PS(xv, bv[j], sum[i][j])
		}
	}
	ADDQ(Imm(4), off)
	if n := vectors * s.Bytes(); n < 128 {
		ADDQ(Imm(uint64(n)), b)
	} else {
		ADDQ(U32(uint32(n)), b)
	}
	DECQ(k)
	JNZ(LabelRef(label("sum")))

	Label(label("store"))
	ldc := Load(Param("ldc"), GP64())
	for i := range sum {
		for j, r := range sum[i] {
			VMOVUPS(r, Mem{Base: c, Disp: j * s.Bytes()})
		}
		LEAQ(Mem{Base: c, Index: ldc, Scale: 4}, c)
	}
}

// fmaLoop writes a loop of as many multiply-adds as a tile has sums.
func (s *set) fmaLoop() {
	name := "fmaLoop" + s.Suffix
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(fmt.Sprintf("%s multiplies and adds n times on each of %d vectors.", name, rows*s.vectors))
	n := Load(Param("n"), GP64())
	x := s.Vec()
	s.Clear(x)
	var sum [rows]([]reg.VecVirtual)
	for i := range sum {
		for range s.vectors {
			r := s.Vec()
			s.Clear(r)
			sum[i] = append(sum[i], r)
		}
	}
	Label("loop")
	for i := range sum {
		for _, r := range sum[i] {
			VFMADD231PS(x, x, r)
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	simd.Ret()
}

// transpose writes a loop over blocks of n rows. transposed returns the rows of the
// transposed block. With ahead, the loop brings the n rows after those of the blocks to the
// second cache.
func transpose(name string, n int, new func() reg.VecVirtual, ahead bool, store func(ops ...Op), transposed func(r []reg.VecVirtual) []reg.VecVirtual) {
	kind, signature := "TransposeFunc", "func(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst int)"
	if ahead {
		kind, signature = "AheadFunc", "func(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst, ahead int)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the %s of blocks of %d by %d.", name, kind, n, n))
	blocks := Load(Param("blocks"), GP64())
	src := Load(Param("src"), GP64())
	lds := Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	nextSrc := Load(Param("nextSrc"), GP64())
	nextDst := Load(Param("nextDst"), GP64())
	SHLQ(Imm(2), lds)
	SHLQ(Imm(2), ldd)
	next := GP64()
	if ahead {
		Load(Param("ahead"), next)
		SHLQ(Imm(2), next)
	}
	Label("block")
	from, to := GP64(), GP64()
	MOVQ(src, from)
	MOVQ(dst, to)
	r := make([]reg.VecVirtual, n)
	for i := range r {
		r[i] = new()
		VMOVUPS(Mem{Base: from}, r[i])
		if ahead {
			PREFETCHT1(Mem{Base: from, Index: next, Scale: 1})
		}
		ADDQ(lds, from)
	}
	for _, v := range transposed(r) {
		store(v, Mem{Base: to})
		ADDQ(ldd, to)
	}
	LEAQ(Mem{Base: src, Index: nextSrc, Scale: 4}, src)
	LEAQ(Mem{Base: dst, Index: nextDst, Scale: 4}, dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	simd.Ret()
}

// quads transposes the 4 by 4 blocks of elements within the 128-bit lanes of four
// rows.
func quads(new func() reg.VecVirtual, r []reg.VecVirtual) []reg.VecVirtual {
	a, b, c, d := new(), new(), new(), new()
	VUNPCKLPS(r[1], r[0], a)
	VUNPCKHPS(r[1], r[0], b)
	VUNPCKLPS(r[3], r[2], c)
	VUNPCKHPS(r[3], r[2], d)
	out := []reg.VecVirtual{new(), new(), new(), new()}
	VUNPCKLPD(c, a, out[0])
	VUNPCKHPD(c, a, out[1])
	VUNPCKLPD(d, b, out[2])
	VUNPCKHPD(d, b, out[3])
	return out
}

// transposeAVX2 writes the transposition twice, the second time with the rows ahead.
func transposeAVX2() {
	transposeAVX2With("transposeAVX2", false)
	transposeAVX2With("transposeAheadAVX2", true)
}

func transposeAVX2With(name string, ahead bool) {
	transpose(name, 8, YMM, ahead, move, func(r []reg.VecVirtual) []reg.VecVirtual {
		low, high := quads(YMM, r[:4]), quads(YMM, r[4:])
		out := make([]reg.VecVirtual, 8)
		for i := range 4 {
			out[i], out[i+4] = YMM(), YMM()
			VPERM2F128(Imm(0x20), high[i], low[i], out[i])
			VPERM2F128(Imm(0x31), high[i], low[i], out[i+4])
		}
		return out
	})
}

// move stores a vector.
func move(ops ...Op) { VMOVUPS(ops...) }

// transposeAVX512 writes the transposition three times. The second version brings the rows
// ahead, and the third one writes past the caches, to whole lines of memory.
func transposeAVX512() {
	transposeAVX512With("transposeAVX512", false, move)
	transposeAVX512With("transposeAheadAVX512", true, move)
	transposeAVX512With("transposeStreamAVX512", false, func(ops ...Op) { VMOVNTPS(ops[0], ops[1]) })
}

func transposeAVX512With(name string, ahead bool, store func(ops ...Op)) {
	transpose(name, 16, ZMM, ahead, store, func(r []reg.VecVirtual) []reg.VecVirtual {
		// q[b][i] holds, in lane l, elements 4b to 4b+3 of column 4l+i.
		var q [4][]reg.VecVirtual
		for b := range q {
			q[b] = quads(ZMM, r[4*b:4*b+4])
		}
		out := make([]reg.VecVirtual, 16)
		for i := range 4 {
			a, b, c, d := ZMM(), ZMM(), ZMM(), ZMM()
			VSHUFF32X4(Imm(0x88), q[1][i], q[0][i], a) // lanes 0 and 2 of the first 8 rows
			VSHUFF32X4(Imm(0xdd), q[1][i], q[0][i], b) // lanes 1 and 3
			VSHUFF32X4(Imm(0x88), q[3][i], q[2][i], c)
			VSHUFF32X4(Imm(0xdd), q[3][i], q[2][i], d)
			for l := range 4 {
				out[4*l+i] = ZMM()
			}
			VSHUFF32X4(Imm(0x88), c, a, out[i])
			VSHUFF32X4(Imm(0x88), d, b, out[4+i])
			VSHUFF32X4(Imm(0xdd), c, a, out[8+i])
			VSHUFF32X4(Imm(0xdd), d, b, out[12+i])
		}
		return out
	})
}

// copyRows writes the copy of a matrix, for both instruction sets: rows are short,
// and wider vectors would not make it faster.
func copyRows() {
	TEXT("copyRowsAVX2", NOSPLIT, "func(rows, n int, src *float32, lds int, dst *float32, ldd int)")
	Pragma("noescape")
	Doc("copyRowsAVX2 is copyRowsGeneric, for rows and n above 0.")
	rows := Load(Param("rows"), GP64())
	n := Load(Param("n"), GP64())
	src := Load(Param("src"), GP64())
	lds := Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	i := GP64()
	last := GP64()
	LEAQ(Mem{Base: n, Disp: -8}, last)
	CMPQ(n, Imm(8))
	JLT(LabelRef("short"))

	Comment("Vectors from the left, and one that ends with the row.")
	Label("row")
	XORQ(i, i)
	JMP(LabelRef("whole"))
	Label("vector")
	v := YMM()
	VMOVUPS(Mem{Base: src, Index: i, Scale: 4}, v)
	VMOVUPS(v, Mem{Base: dst, Index: i, Scale: 4})
	ADDQ(Imm(8), i)
	Label("whole")
	CMPQ(i, last)
	JLT(LabelRef("vector"))
	VMOVUPS(Mem{Base: src, Index: last, Scale: 4}, v)
	VMOVUPS(v, Mem{Base: dst, Index: last, Scale: 4})
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src)
	LEAQ(Mem{Base: dst, Index: ldd, Scale: 4}, dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	simd.Ret()

	Label("short")
	CMPQ(n, Imm(4))
	JLT(LabelRef("few"))
	Comment("Two vectors of four, which overlap.")
	LEAQ(Mem{Base: n, Disp: -4}, last)
	Label("half")
	left, right := XMM(), XMM()
	VMOVUPS(Mem{Base: src}, left)
	VMOVUPS(Mem{Base: src, Index: last, Scale: 4}, right)
	VMOVUPS(left, Mem{Base: dst})
	VMOVUPS(right, Mem{Base: dst, Index: last, Scale: 4})
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src)
	LEAQ(Mem{Base: dst, Index: ldd, Scale: 4}, dst)
	DECQ(rows)
	JNZ(LabelRef("half"))
	simd.Ret()

	Label("few")
	XORQ(i, i)
	Label("element")
	x := GP32()
	MOVL(Mem{Base: src, Index: i, Scale: 4}, x)
	MOVL(x, Mem{Base: dst, Index: i, Scale: 4})
	INCQ(i)
	CMPQ(i, n)
	JLT(LabelRef("element"))
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src)
	LEAQ(Mem{Base: dst, Index: ldd, Scale: 4}, dst)
	DECQ(rows)
	JNZ(LabelRef("few"))
	RET()
}
