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
	side      = 16              // rows and columns of a tile
	rowBytes  = 64              // of a row of a tile
	tileBytes = side * rowBytes // of a tile
)

// The registers of the micro-kernels.
var (
	regK     = reg.RAX
	regA     = [2]reg.Physical{reg.RBX, reg.RCX} // the panels of rows
	regB     = [2]reg.Physical{reg.RDX, reg.RSI} // the panels of columns
	regC     = [2][2]reg.Physical{{reg.RDI, reg.R8}, {reg.R9, reg.R10}}
	regLDC   = reg.R11
	regPitch = reg.R14 // between the rows of a tile of a panel
)

// Write writes all functions.
func Write() {
	for rows := 1; rows <= 2; rows++ {
		for cols := 1; cols <= 2; cols++ {
			blockAMX(rows, cols)
			blockAVX512(rows, cols)
		}
	}
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

// blockText begins a BlockFunc and loads its arguments.
func blockText(isa string, rows, cols int) {
	name := fmt.Sprintf("block%s_%dx%d", isa, rows, cols)
	text(name, "(k int, a, b *uint32, stepA, stepB int, c *float32, ldc int, add bool)",
		fmt.Sprintf("is the BlockFunc of %d by %d tiles.", rows, cols))
	Load(Param("k"), regK)
	Load(Param("a"), regA[0])
	Load(Param("b"), regB[0])
	Load(Param("c"), regC[0][0])
	Load(Param("ldc"), regLDC)
	SHLQ(Imm(2), regLDC)
	next := func(step string, r [2]reg.Physical) {
		Load(Param(step), r[1])
		LEAQ(Mem{Base: r[0], Index: r[1], Scale: 4}, r[1])
	}
	if rows > 1 {
		next("stepA", regA)
		MOVQ(regLDC, regC[1][0])
		SHLQ(Imm(4), regC[1][0])
		ADDQ(regC[0][0], regC[1][0])
	}
	if cols > 1 {
		next("stepB", regB)
		for i := range rows {
			LEAQ(Mem{Base: regC[i][0], Disp: rowBytes}, regC[i][1])
		}
	}
}

// blockAMX writes the micro-kernel for AMX. Tiles belong to a thread, and a goroutine may
// go on in another one, but never within a function in assembly: the tiles are configured
// and given back here.
func blockAMX(rows, cols int) {
	blockText("AMX", rows, cols)
	// The tiles 0 to 3 are sums, 4 and 5 of A, 6 and 7 of B. All are full.
	var config [16]uint32
	config[0] = 1 // the palette
	for i := range 4 {
		config[4+i] = rowBytes | rowBytes<<16
	}
	config[12], config[13] = side*0x01010101, side*0x01010101
	LEAQ(simd.Words("tileConfig", config[:]...), regPitch)
	ldtilecfg(regPitch)
	eachSum := func(f func(tile int, at reg.Physical)) {
		for i := range rows {
			for j := range cols {
				f(2*i+j, regC[i][j])
			}
		}
	}
	add := loadAdd()
	TESTB(add, add)
	JZ(LabelRef("zero"))
	eachSum(func(tile int, at reg.Physical) { tileload(at, regLDC, tile) })
	JMP(LabelRef("sums"))
	Label("zero")
	eachSum(func(tile int, _ reg.Physical) { tilezero(tile) })
	Label("sums")
	MOVQ(I32(rowBytes), regPitch)
	Label("loop")
	for j := range cols {
		tileload(regB[j], regPitch, 6+j)
	}
	for i := range rows {
		tileload(regA[i], regPitch, 4+i)
		for j := range cols {
			tdpbf16ps(6+j, 4+i, 2*i+j)
		}
	}
	for i := range rows {
		ADDQ(I32(tileBytes), regA[i])
	}
	for j := range cols {
		ADDQ(I32(tileBytes), regB[j])
	}
	DECQ(regK)
	JNZ(LabelRef("loop"))
	eachSum(func(tile int, at reg.Physical) { tilestore(tile, at, regLDC) })
	tilerelease()
	RET()
}

// loadAdd loads the argument add.
func loadAdd() reg.Physical {
	Load(Param("add"), reg.R13B)
	return reg.R13B
}

// groupRows is the number of rows that a micro-kernel for AVX-512 sums at a time.
const groupRows = 8

// blockAVX512 writes the micro-kernel for AVX512_BF16: groups of rows, one after the other.
func blockAVX512(rows, cols int) {
	blockText("AVX512", rows, cols)
	const (
		first = 0  // of the registers of the sums
		regAV = 16 // an element of a row of A in every lane
		regBV = 17 // a row of each tile of B
	)
	z := func(n int) reg.VecPhysical { return zmm[n] }
	sum := func(i, j int) int { return first + 2*i + j }
	group := reg.R12
	MOVQ(I32(side/groupRows), group)
	if rows > 1 {
		Comment("The second panel of rows is taken when the first is done.")
		MOVQ(I32(2*side/groupRows), group)
	}
	Label("group")
	add := loadAdd()
	c := reg.R13
	eachSum := func(f func(at Mem, sum reg.VecPhysical)) {
		MOVQ(regC[0][0], c)
		for i := range groupRows {
			for j := range cols {
				f(Mem{Base: c, Disp: rowBytes * j}, z(sum(i, j)))
			}
			ADDQ(regLDC, c)
		}
	}
	TESTB(add, add)
	JZ(LabelRef("zero"))
	eachSum(func(at Mem, sum reg.VecPhysical) { VMOVUPS(at, sum) })
	JMP(LabelRef("sums"))
	Label("zero")
	for i := range groupRows {
		for j := range cols {
			VPXORD(z(sum(i, j)), z(sum(i, j)), z(sum(i, j)))
		}
	}
	Label("sums")
	Load(Param("k"), regK)
	a, b, n := reg.R8, [2]reg.Physical{reg.R10, reg.R14}, reg.R13
	MOVQ(regA[0], a)
	for j := range cols {
		MOVQ(regB[j], b[j])
	}
	Label("tile")
	MOVQ(I32(side), n)
	Label("pair")
	for j := range cols {
		VMOVUPS(Mem{Base: b[j]}, z(regBV+j))
	}
	for i := range groupRows {
		VPBROADCASTD(Mem{Base: a, Disp: rowBytes * i}, z(regAV))
		for j := range cols {
			vdpbf16ps(regAV, regBV+j, sum(i, j))
		}
	}
	ADDQ(Imm(4), a)
	for j := range cols {
		ADDQ(Imm(rowBytes), b[j])
	}
	DECQ(n)
	JNZ(LabelRef("pair"))
	ADDQ(I32(tileBytes-rowBytes), a)
	DECQ(regK)
	JNZ(LabelRef("tile"))
	eachSum(func(at Mem, sum reg.VecPhysical) { VMOVUPS(sum, at) })
	MOVQ(c, regC[0][0])
	ADDQ(I32(groupRows*rowBytes), regA[0])
	DECQ(group)
	if rows > 1 {
		CMPQ(group, Imm(side/groupRows))
		CMOVQEQ(regA[1], regA[0])
		TESTQ(group, group)
	}
	JNZ(LabelRef("group"))
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
