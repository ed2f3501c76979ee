// Package bf16 writes the micro-kernels of products of bfloat16 and the loops that bring
// float32 into their form. The types of the functions, in micro.go of package bf16, say what
// they compute.
package bf16

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

const (
	side     = 16 // rows and columns of a tile
	rowBytes = 64 // of a row of a tile
)

// The registers of the micro-kernels.
var (
	regK    = reg.RAX
	regA    = reg.RBX // the tiles of the first panels of A and B, without their places
	regB    = reg.RDX
	regOffA = reg.R12 // the places of the next tiles
	regOffB = reg.R13
	regLDA  = reg.R15
	regLDB  = reg.R14
	regLDC  = reg.R11
	regC    = reg.RDI
)

// Write writes all functions.
func Write() {
	for rows := 1; rows <= 2; rows++ {
		for cols := 1; cols <= 2; cols++ {
			blockAMX(rows, cols)
		}
	}
	rowsAVX512(1)
	rowsAVX512(2)
	round()
	pair()
	copyLines()
}

// text begins a function.
func text(name, signature, doc string) {
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

// loadPanels loads the arguments that describe the panels.
func loadPanels() {
	Load(Param("k"), regK)
	Load(Param("a"), regA)
	Load(Param("offA"), regOffA)
	Load(Param("lda"), regLDA)
	Load(Param("b"), regB)
	Load(Param("offB"), regOffB)
	Load(Param("ldb"), regLDB)
}

// blockAMX writes the micro-kernel for AMX. Tiles belong to a thread, and a goroutine may
// go on in another one, but never within a function in assembly: the tiles are configured
// and given back here.
func blockAMX(rows, cols int) {
	name := fmt.Sprintf("blockAMX_%dx%d", rows, cols)
	text(name, "(k int, a *byte, offA *int32, lda, stepA int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool)",
		fmt.Sprintf("is the BlockFunc of %d by %d tiles.", rows, cols))
	// The tiles 0 to 3 are sums, 4 and 5 of A, 6 and 7 of B. All are full.
	var config [16]uint32
	config[0] = 1 // the palette
	for i := range 4 {
		config[4+i] = rowBytes | rowBytes<<16
	}
	config[12], config[13] = side*0x01010101, side*0x01010101
	LEAQ(simd.Words("tileConfig", config[:]...), regK)
	ldtilecfg(regK)

	at := reg.R8
	eachSum := func(f func(tile int)) {
		Load(Param("c"), regC)
		Load(Param("ldc"), regLDC)
		SHLQ(Imm(2), regLDC)
		for i := range rows {
			if i > 0 {
				MOVQ(regLDC, at)
				SHLQ(Imm(4), at)
				ADDQ(at, regC)
			}
			MOVQ(regC, at)
			for j := range cols {
				if j > 0 {
					ADDQ(Imm(rowBytes), at)
				}
				f(2*i + j)
			}
		}
	}
	add := loadAdd()
	TESTB(add, add)
	JZ(LabelRef("zero"))
	eachSum(func(tile int) { tileload(at, regLDC, tile) })
	JMP(LabelRef("sums"))
	Label("zero")
	for i := range rows {
		for j := range cols {
			tilezero(2*i + j)
		}
	}
	Label("sums")
	loadPanels()
	nextA, nextB := reg.RCX, reg.RSI
	Load(Param("stepA"), nextA)
	Load(Param("stepB"), nextB)
	place := func(off, base, step reg.GPPhysical, at [2]reg.GPPhysical, n int) {
		MOVLQSX(Mem{Base: off}, at[0])
		ADDQ(Imm(4), off)
		ADDQ(base, at[0])
		if n > 1 {
			LEAQ(Mem{Base: at[0], Index: step, Scale: 1}, at[1])
		}
	}
	atA, atB := [2]reg.GPPhysical{reg.R8, reg.R9}, [2]reg.GPPhysical{reg.R10, reg.RDI}
	Label("loop")
	place(regOffA, regA, nextA, atA, rows)
	place(regOffB, regB, nextB, atB, cols)
	for j := range cols {
		tileload(atB[j], regLDB, 6+j)
	}
	for i := range rows {
		tileload(atA[i], regLDA, 4+i)
		for j := range cols {
			tdpbf16ps(6+j, 4+i, 2*i+j)
		}
	}
	DECQ(regK)
	JNZ(LabelRef("loop"))
	eachSum(func(tile int) { tilestore(tile, at, regLDC) })
	tilerelease()
	RET()
}

// loadAdd loads the argument add.
func loadAdd() reg.Physical {
	Load(Param("add"), reg.R13B)
	return reg.R13B
}

// groupRows is the number of rows that a micro-kernel for AVX-512 sums.
const groupRows = 8

// rowsAVX512 writes the micro-kernel for AVX512_BF16, for some rows of a panel of A.
func rowsAVX512(cols int) {
	text(fmt.Sprintf("rowsAVX512_%d", cols), "(k int, a *byte, offA *int32, lda int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool)",
		fmt.Sprintf("computes %d rows of a BlockFunc of %d tiles.", groupRows, cols))
	const (
		regAV = 16 // an element of a row of A in every lane
		regBV = 17 // a row of each tile of B
	)
	sum := func(i, j int) int { return 2*i + j }
	eachSum := func(f func(at Mem, sum reg.VecPhysical)) {
		Load(Param("c"), regC)
		Load(Param("ldc"), regLDC)
		SHLQ(Imm(2), regLDC)
		for i := range groupRows {
			for j := range cols {
				f(Mem{Base: regC, Disp: rowBytes * j}, zmm[sum(i, j)])
			}
			ADDQ(regLDC, regC)
		}
	}
	add := loadAdd()
	TESTB(add, add)
	JZ(LabelRef("zero"))
	eachSum(func(at Mem, sum reg.VecPhysical) { VMOVUPS(at, sum) })
	JMP(LabelRef("sums"))
	Label("zero")
	for i := range groupRows {
		for j := range cols {
			z := zmm[sum(i, j)]
			VPXORD(z, z, z)
		}
	}
	Label("sums")
	loadPanels()
	step, thrice := reg.RSI, regLDC
	Load(Param("stepB"), step)
	LEAQ(Mem{Base: regLDA, Index: regLDA, Scale: 2}, thrice)
	first, fifth, b, n := reg.R8, reg.R9, reg.R10, reg.RCX // rows of A, a row of B
	Label("tile")
	MOVLQSX(Mem{Base: regOffA}, first)
	ADDQ(regA, first)
	LEAQ(Mem{Base: first, Index: regLDA, Scale: 4}, fifth)
	MOVLQSX(Mem{Base: regOffB}, b)
	ADDQ(regB, b)
	ADDQ(Imm(4), regOffA)
	ADDQ(Imm(4), regOffB)
	MOVQ(I32(side), n)
	Label("pair")
	VMOVUPS(Mem{Base: b}, zmm[regBV])
	if cols > 1 {
		VMOVUPS(Mem{Base: b, Index: step, Scale: 1}, zmm[regBV+1])
	}
	for i := range groupRows {
		row := Mem{Base: []reg.GPPhysical{first, fifth}[i/4]}
		switch i % 4 {
		case 1, 2:
			row.Index, row.Scale = regLDA, uint8(i%4)
		case 3:
			row.Index, row.Scale = thrice, 1
		}
		VPBROADCASTD(row, zmm[regAV])
		for j := range cols {
			vdpbf16ps(regAV, regBV+j, sum(i, j))
		}
	}
	ADDQ(Imm(4), first)
	ADDQ(Imm(4), fifth)
	ADDQ(regLDB, b)
	DECQ(n)
	JNZ(LabelRef("pair"))
	DECQ(regK)
	JNZ(LabelRef("tile"))
	eachSum(func(at Mem, sum reg.VecPhysical) { VMOVUPS(sum, at) })
	simd.Ret()
}

// zmm are the vector registers.
var zmm = [...]reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
	reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18,
}

// eachVector calls f for the vectors of n elements (in RAX): in a loop for all that are
// whole, with the mask K1 of all lanes, and for the rest with that of its lanes.
func eachVector(n reg.Physical, f func()) {
	mask := reg.R12
	MOVQ(I32(1<<side-1), mask)
	KMOVW(mask.(reg.GP).As32(), reg.K1)
	SUBQ(Imm(side), n)
	JL(LabelRef("rest"))
	Label("loop")
	f()
	SUBQ(Imm(side), n)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(side), n)
	JZ(LabelRef("done"))
	BZHIQ(n, mask, mask)
	KMOVW(mask.(reg.GP).As32(), reg.K1)
	XORQ(n, n)
	f()
	Label("done")
	simd.Ret()
}

// round writes the conversion of a row.
func round() {
	text("roundAVX512", "(n int, src *float32, dst *uint16, ahead int)", "is roundGeneric.")
	Load(Param("n"), reg.RAX)
	Load(Param("src"), reg.RBX)
	Load(Param("dst"), reg.RCX)
	Load(Param("ahead"), reg.R9)
	eachVector(reg.RAX, func() {
		PREFETCHT0(Mem{Base: reg.RBX, Index: reg.R9, Scale: 4})
		VMOVUPS_Z(Mem{Base: reg.RBX}, reg.K1, reg.Z0)
		vcvtneps2bf16(0, 1)
		VMOVDQU16(reg.Y1, reg.K1, Mem{Base: reg.RCX})
		ADDQ(Imm(rowBytes), reg.RBX)
		ADDQ(Imm(rowBytes/2), reg.RCX)
	})
}

// pair writes the conversion of two rows to pairs.
func pair() {
	text("pairAVX512", "(n int, even, odd *float32, dst *uint32, ahead int)", "is pairGeneric.")
	Load(Param("n"), reg.RAX)
	Load(Param("ahead"), reg.R9)
	Load(Param("even"), reg.RBX)
	Load(Param("odd"), reg.RDX)
	Load(Param("dst"), reg.RCX)
	var order [side]uint32
	for i := range order {
		order[i] = uint32(i | (side+i)<<16)
	}
	VMOVUPS(simd.Words("pairOrder", order[:]...), reg.Z3)
	Comment("Without an odd row, its elements are zero.")
	MOVQ(I32(1<<side-1), reg.R8)
	TESTQ(reg.RDX, reg.RDX)
	CMOVQEQ(reg.RDX, reg.R8)
	CMOVQEQ(reg.RBX, reg.RDX)
	KMOVW(reg.R8L, reg.K3)
	eachVector(reg.RAX, func() {
		PREFETCHT0(Mem{Base: reg.RBX, Index: reg.R9, Scale: 4})
		PREFETCHT0(Mem{Base: reg.RDX, Index: reg.R9, Scale: 4})
		KANDW(reg.K1, reg.K3, reg.K2)
		VMOVUPS_Z(Mem{Base: reg.RBX}, reg.K1, reg.Z0)
		VMOVUPS_Z(Mem{Base: reg.RDX}, reg.K2, reg.Z1)
		vcvtne2ps2bf16(0, 1, 2)
		VPERMW(reg.Z2, reg.Z3, reg.Z2)
		VMOVDQU32(reg.Z2, reg.K1, Mem{Base: reg.RCX})
		ADDQ(Imm(rowBytes), reg.RBX)
		ADDQ(Imm(rowBytes), reg.RDX)
		ADDQ(Imm(rowBytes), reg.RCX)
	})
}

// copyLines writes the copy of rows of tiles.
func copyLines() {
	const unroll = 4
	text("copyLinesAVX512", "(n int, src *byte, off *int32, dst *uint32)", "is copyLinesGeneric.")
	Load(Param("n"), reg.RAX)
	Load(Param("src"), reg.RBX)
	Load(Param("off"), reg.RDX)
	Load(Param("dst"), reg.RCX)
	at := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	Label("loop")
	for i, r := range at {
		MOVLQSX(Mem{Base: reg.RDX, Disp: 4 * i}, r)
	}
	for i, r := range at {
		VMOVUPS(Mem{Base: reg.RBX, Index: r, Scale: 1}, zmm[i])
	}
	for i := range at {
		VMOVUPS(zmm[i], Mem{Base: reg.RCX, Disp: rowBytes * i})
	}
	ADDQ(Imm(4*unroll), reg.RDX)
	ADDQ(I32(unroll*rowBytes), reg.RCX)
	SUBQ(Imm(unroll), reg.RAX)
	JNZ(LabelRef("loop"))
	simd.Ret()
}
