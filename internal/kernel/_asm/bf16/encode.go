package bf16

import (
	"encoding/binary"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Neither avo nor Go's assembler knows the instructions of AVX512_BF16 and AMX, so they are
// written as bytes, encoded as Intel's manual (volume 2, chapters 2 and 3) says. avo does
// not see their registers: functions that use them choose all registers themselves.

// The prefixes that VEX and EVEX encode.
const (
	prefixF3 = 2
	prefixF2 = 3
)

// emit writes bytes.
func emit(code ...byte) {
	write := func(directive string, value Op) {
		Instruction(&ir.Instruction{Opcode: directive, Operands: []Op{value}})
	}
	for ; len(code) >= 4; code = code[4:] {
		write("LONG", U32(binary.LittleEndian.Uint32(code)))
	}
	if len(code) >= 2 {
		write("WORD", U16(binary.LittleEndian.Uint16(code)))
		code = code[2:]
	}
	for _, b := range code {
		write("BYTE", U8(b))
	}
}

// vex writes an instruction of the map 0F38 with a prefix of three bytes. rm is the number of
// a register, or, with memory set, that of the base of an address without displacement. The
// address has the index register too, if that is not negative.
func vex(prefix, opcode byte, r, v, rm, index int, memory bool) {
	x := max(index, 0) >> 3 & 1
	code := []byte{
		0xc4,
		byte(^r>>3&1<<7 | ^x&1<<6 | ^(rm>>3)&1<<5 | 2),
		byte(^v&15<<3) | prefix,
		opcode,
	}
	switch {
	case !memory:
		code = append(code, byte(0xc0|r&7<<3|rm&7))
	case index < 0:
		code = append(code, byte(r&7<<3|rm&7))
	default:
		code = append(code, byte(r&7<<3|4), byte(index&7<<3|rm&7))
	}
	emit(code...)
}

// evex writes an instruction of the map 0F38 on three ZMM registers, without a mask.
func evex(prefix, opcode byte, r, v, rm int) {
	emit(
		0x62,
		byte(^(r>>3)&1<<7|^(rm>>4)&1<<6|^(rm>>3)&1<<5|^(r>>4)&1<<4|2),
		byte(^v&15<<3|4)|prefix,
		byte(2<<5|^(v>>4)&1<<3),
		opcode,
		byte(0xc0|r&7<<3|rm&7),
	)
}

// gpr returns the number of a general register. As the base of an address, RBP and R13 would
// need a displacement, and RSP and R12 an index.
func gpr(r reg.Physical) int {
	n := int(r.PhysicalIndex())
	if n&7 == 4 || n&7 == 5 {
		panic("bf16: RSP, RBP, R12 and R13 are encoded in another way")
	}
	return n
}

// ldtilecfg configures the tiles as the 64 bytes at base say; tilerelease gives them back.
func ldtilecfg(base reg.Physical) { vex(0, 0x49, 0, 0, gpr(base), -1, true) }
func tilerelease()                { vex(0, 0x49, 0, 0, 0, -1, false) }

// tileload loads the rows of a tile, which are index apart, from base on; tilestore stores
// them. tilezero clears a tile.
func tileload(base, index reg.Physical, tile int) {
	vex(prefixF2, 0x4b, tile, 0, gpr(base), gpr(index), true)
}

func tilestore(tile int, base, index reg.Physical) {
	vex(prefixF3, 0x4b, tile, 0, gpr(base), gpr(index), true)
}

func tilezero(tile int) { vex(prefixF2, 0x49, tile, 0, 0, -1, false) }

// tdpbf16ps adds the product of the tiles a and b to the tile c.
func tdpbf16ps(b, a, c int) { vex(prefixF3, 0x5c, c, b, a, -1, false) }

// vdpbf16ps adds to each lane of sum the products of the two elements of that lane of a and b.
func vdpbf16ps(a, b, sum int) { evex(prefixF3, 0x52, sum, a, b) }

// vcvtne2ps2bf16 rounds the elements of low and high to those of the lower and the upper half
// of dst.
func vcvtne2ps2bf16(low, high, dst int) { evex(prefixF2, 0x72, dst, high, low) }

// vcvtneps2bf16 rounds the elements of src to those of the lower half of dst.
func vcvtneps2bf16(src, dst int) { evex(prefixF3, 0x72, dst, 0, src) }
