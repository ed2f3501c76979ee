package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// philox writes dropoutGroups: Philox 4x32-10 with a block in each 64-bit lane,
// whose lower half alone means something.
func (s *set) philox() {
	blocks := s.lanes / 2 // in a vector
	s.text("dropoutGroups", "(dst []float32, key, stream, block uint64, limit uint32, scale float32)",
		"is dropoutBlocksGeneric for groups of two vectors, with no carry into the upper half of block.")
	dst := Load(Param("dst").Base(), GP64())
	n := Load(Param("dst").Len(), GP64())

	split := func(name string) (lo, hi reg.VecVirtual) {
		lo, hi = s.vec(), s.vec()
		VPBROADCASTQ(param(name), lo)
		VPSRLQ(U8(32), lo, hi)
		return lo, hi
	}
	key0, key1 := split("key")
	stream0, stream1 := split("stream")
	block0, block1 := split("block")
	// Lanes 0, 2, ... get the first half of the blocks, so that unpacking the
	// result leaves the blocks in order.
	order := make([]uint32, 16)
	for i := range blocks {
		order[2*i] = uint32(i/2 + i%2*blocks/2)
	}
	VPADDD(words("blockOrder"+s.suffix, order...), block0, block0)
	limit, scale := s.broadcast(param("limit")), s.broadcast(param("scale"))

	// xor3 sets c to a ^ b ^ c.
	xor3 := func(a, b, c reg.VecVirtual) {
		if s.wide {
			VPTERNLOGQ(U8(0x96), a, b, c)
			return
		}
		VPXOR(b, c, c)
		VPXOR(a, c, c)
	}

	Label("loop")
	CMPQ(n, I32(4*blocks))
	JL(LabelRef("done"))
	k0, k1 := s.vec(), s.vec()
	VMOVUPS(key0, k0)
	VMOVUPS(key1, k1)
	var c [4]reg.VecVirtual
	for i, v := range []reg.VecVirtual{block0, block1, stream0, stream1} {
		c[i] = s.vec()
		VMOVUPS(v, c[i])
	}
	for range 10 {
		p0, p1, h0, h1 := s.vec(), s.vec(), s.vec(), s.vec()
		VPMULUDQ(double(0xD2511F53), c[0], p0)
		VPMULUDQ(double(0xCD9E8D57), c[2], p1)
		VPSRLQ(U8(32), p0, h0)
		VPSRLQ(U8(32), p1, h1)
		xor3(k0, c[1], h1)
		xor3(k1, c[3], h0)
		c = [4]reg.VecVirtual{h1, p1, h0, p0}
		VPADDD(bits(0x9E3779B9), k0, k0)
		VPADDD(bits(0xBB67AE85), k1, k1)
	}
	// Two words to a 64-bit lane, then two such lanes to a block.
	pair := func(lo, hi reg.VecVirtual) reg.VecVirtual {
		VPSLLQ(U8(32), hi, hi)
		VPSLLQ(U8(32), lo, lo)
		VPSRLQ(U8(32), lo, lo)
		v := s.vec()
		if s.wide {
			VPORQ(lo, hi, v)
		} else {
			VPOR(lo, hi, v)
		}
		return v
	}
	a, b := pair(c[0], c[1]), pair(c[2], c[3])
	for i, unpack := range []func(...Op){VPUNPCKLQDQ, VPUNPCKHQDQ} {
		v := s.vec()
		unpack(b, a, v)
		// The larger of word and limit is the word unless it is below.
		larger := s.vec()
		VPMAXUD(limit, v, larger)
		VMOVUPS(s.pick(s.compareInt(larger, v), scale), Mem{Base: dst, Disp: 4 * s.lanes * i})
	}
	VPADDQ(double(uint64(blocks)), block0, block0)
	ADDQ(I32(8*s.lanes), dst)
	SUBQ(I32(4*blocks), n)
	JMP(LabelRef("loop"))
	Label("done")
	ret()
}
