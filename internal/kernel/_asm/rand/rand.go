// Package rand writes the loop of package rand: dropout masks.
package rand

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		s.dropoutGroups()
	}
}

// dropoutGroups writes Philox 4x32-10 with a block in each 64-bit lane,
// whose lower half alone means something.
func (s *set) dropoutGroups() {
	blocks := s.Lanes / 2 // in a vector
	s.Text("dropoutGroups", "(dst []float32, key, stream, block uint64, limit uint32, scale float32)",
		"is dropoutBlocksGeneric for groups of two vectors, with no carry into the upper half of block.")
	dst := Load(Param("dst").Base(), GP64())
	n := Load(Param("dst").Len(), GP64())

	split := func(name string) (lo, hi reg.VecVirtual) {
		lo, hi = s.Vec(), s.Vec()
		VPBROADCASTQ(simd.Arg(name), lo)
		VPSRLQ(U8(32), lo, hi)
		return lo, hi
	}
	key0, key1 := split("key")
	stream0, stream1 := split("stream")
	block0, block1 := split("block")
	// Lanes 0, 2, ... get the first half of the blocks, so that the blocks are in
	// order after unpacking.
	order := make([]uint32, 16)
	for i := range blocks {
		order[2*i] = uint32(i/2 + i%2*blocks/2)
	}
	VPADDD(simd.Words("blockOrder"+s.Suffix, order...), block0, block0)
	limit, scale := s.Broadcast(simd.Arg("limit")), s.Broadcast(simd.Arg("scale"))

	// xor3 sets c to a ^ b ^ c.
	xor3 := func(a, b, c reg.VecVirtual) {
		if s.Wide {
			VPTERNLOGQ(U8(0x96), a, b, c)
			return
		}
		VPXOR(b, c, c)
		VPXOR(a, c, c)
	}

	Label("loop")
	CMPQ(n, I32(4*blocks))
	JL(LabelRef("done"))
	k0, k1 := s.Vec(), s.Vec()
	VMOVUPS(key0, k0)
	VMOVUPS(key1, k1)
	var c [4]reg.VecVirtual
	for i, v := range []reg.VecVirtual{block0, block1, stream0, stream1} {
		c[i] = s.Vec()
		VMOVUPS(v, c[i])
	}
	for range 10 {
		p0, p1, h0, h1 := s.Vec(), s.Vec(), s.Vec(), s.Vec()
		VPMULUDQ(simd.Bits64(0xD2511F53), c[0], p0)
		VPMULUDQ(simd.Bits64(0xCD9E8D57), c[2], p1)
		VPSRLQ(U8(32), p0, h0)
		VPSRLQ(U8(32), p1, h1)
		xor3(k0, c[1], h1)
		xor3(k1, c[3], h0)
		c = [4]reg.VecVirtual{h1, p1, h0, p0}
		VPADDD(simd.Bits(0x9E3779B9), k0, k0)
		VPADDD(simd.Bits(0xBB67AE85), k1, k1)
	}
	// Two words to a 64-bit lane, then two such lanes to a block.
	pair := func(lo, hi reg.VecVirtual) reg.VecVirtual {
		VPSLLQ(U8(32), hi, hi)
		VPSLLQ(U8(32), lo, lo)
		VPSRLQ(U8(32), lo, lo)
		v := s.Vec()
		if s.Wide {
			VPORQ(lo, hi, v)
		} else {
			VPOR(lo, hi, v)
		}
		return v
	}
	a, b := pair(c[0], c[1]), pair(c[2], c[3])
	for i, unpack := range []func(...Op){VPUNPCKLQDQ, VPUNPCKHQDQ} {
		v := s.Vec()
		unpack(b, a, v)
		// The larger of word and limit is the word unless it is below.
		larger := s.Vec()
		VPMAXUD(limit, v, larger)
		VMOVUPS(s.Pick(s.CompareInt(larger, v), scale), Mem{Base: dst, Disp: 4 * s.Lanes * i})
	}
	VPADDQ(simd.Bits64(uint64(blocks)), block0, block0)
	ADDQ(I32(8*s.Lanes), dst)
	SUBQ(I32(4*blocks), n)
	JMP(LabelRef("loop"))
	Label("done")
	simd.Ret()
}
