package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// set is an instruction set to write functions for.
type set struct {
	suffix string
	lanes  int  // float32 in a vector
	wide   bool // AVX-512: masks are registers of their own
}

// vec returns a new vector of lanes float32 (or lanes/2 float64).
func (s *set) vec() reg.VecVirtual {
	if s.wide {
		return ZMM()
	}
	return YMM()
}

// half returns a new vector of lanes/2 float32.
func (s *set) half() reg.VecVirtual {
	if s.wide {
		return YMM()
	}
	return XMM()
}

// text begins function name, whose variant has the set's suffix.
func (s *set) text(name, signature, doc string) {
	TEXT(name+s.suffix, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(name + s.suffix + " " + doc)
}

// ret ends a function. The processor may go back to narrow registers.
func ret() {
	VZEROUPPER()
	RET()
}

// param returns the address of a scalar argument.
func param(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// result returns the address of result i.
func result(i int) Mem {
	b, err := ReturnIndex(i).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// broadcast returns a vector with the float32 or uint32 at m in every lane.
func (s *set) broadcast(m Op) reg.VecVirtual {
	v := s.vec()
	VBROADCASTSS(m, v)
	return v
}

// broadcastInt returns a vector with the lower half of r in every lane.
func (s *set) broadcastInt(r reg.Register) reg.VecVirtual {
	v, x := s.vec(), XMM()
	VMOVD(r.(reg.GP).As32(), x)
	VPBROADCASTD(x, v)
	return v
}

func (s *set) zero() reg.VecVirtual {
	v := s.vec()
	s.clear(v)
	return v
}

// clear sets v to 0.
func (s *set) clear(v reg.VecVirtual) {
	if s.wide {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

var consts = map[string]Mem{}

// words returns the address of read-only 32-bit words.
func words(name string, values ...uint32) Mem {
	m, ok := consts[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i, v := range values {
			DATA(4*i, U32(v))
		}
		consts[name] = m
	}
	return m
}

// bits returns the address of a word, 16 times over: a vector of either width.
func bits(v uint32) Mem {
	list := make([]uint32, 16)
	for i := range list {
		list[i] = v
	}
	return words(fmt.Sprintf("word%08x", v), list...)
}

// number returns the address of a float32, 16 times over.
func number(f float32) Mem { return bits(math.Float32bits(f)) }

// double returns the address of a float64, eight times over.
func double(v uint64) Mem {
	var list []uint32
	for range 8 {
		list = append(list, uint32(v), uint32(v>>32))
	}
	return words(fmt.Sprintf("double%016x", v), list...)
}

// lanesFrom returns the address of lanes words: first, first+step, ...
func (s *set) lanesFrom(first, step int) Mem {
	list := make([]uint32, 16)
	for i := range list {
		list[i] = uint32(first + i*step)
	}
	return words(fmt.Sprintf("from%dstep%d", first, uint32(step)), list...)
}

// mask selects the first so many lanes of a vector. A nil mask selects all.
type mask struct {
	k reg.Register   // AVX-512
	v reg.VecVirtual // AVX2: -1 in the lanes selected
}

// mask returns the mask of lanes skip, skip+1, ... below n, for n from 0 to 32
// (16 with AVX2) and skip 0 or lanes.
func (s *set) mask(n reg.Register, skip int) *mask {
	table := GP64()
	if s.wide {
		ones := make([]uint32, 33)
		for i := range ones {
			ones[i] = uint32(uint64(1)<<i - 1)
		}
		LEAQ(words("maskBits", ones...), table)
		k := K()
		KMOVW(Mem{Base: table, Index: n, Scale: 4, Disp: skip / 8}, k)
		return &mask{k: k}
	}
	list := make([]uint32, 32)
	for i := range 16 {
		list[i] = math.MaxUint32
	}
	LEAQ(words("maskWords", list...), table)
	at := GP64()
	MOVQ(n, at)
	NEGQ(at)
	v := YMM()
	VMOVDQU(Mem{Base: table, Index: at, Scale: 4, Disp: 4 * (16 + skip)}, v)
	return &mask{v: v}
}

// loadTo loads the selected lanes, with zeros in the others.
func (s *set) loadTo(m Mem, sel *mask, v reg.VecVirtual) {
	switch {
	case sel == nil:
		VMOVUPS(m, v)
	case s.wide:
		VMOVUPS_Z(m, sel.k, v)
	default:
		chosen := Op(sel.v)
		if v.Size() == 16 {
			chosen = sel.v.AsX()
		}
		VMASKMOVPS(m, chosen, v)
	}
}

func (s *set) load(m Mem, sel *mask) reg.VecVirtual {
	v := s.vec()
	s.loadTo(m, sel, v)
	return v
}

// store stores the selected lanes and leaves the others' memory alone.
func (s *set) store(v reg.VecVirtual, m Mem, sel *mask) {
	switch {
	case sel == nil:
		VMOVUPS(v, m)
	case s.wide:
		VMOVUPS(v, sel.k, m)
	default:
		VMASKMOVPS(v, sel.v, m)
	}
}

// Comparisons, of package reg's two kinds of mask.
const (
	equal   = 0  // EQ_OQ
	less    = 17 // LT_OQ
	atMost  = 18 // LE_OQ
	greater = 30 // GT_OQ
)

// compare returns the mask of a OP b.
func (s *set) compare(op uint8, a reg.VecVirtual, b Op) *mask {
	if s.wide {
		k := K()
		VCMPPS(U8(op), b, a, k)
		return &mask{k: k}
	}
	v := YMM()
	VCMPPS(U8(op), b, a, v)
	return &mask{v: v}
}

// compareInt returns the mask of a == b, as integers.
func (s *set) compareInt(a, b reg.VecVirtual) *mask {
	if s.wide {
		k := K()
		VPCMPEQD(b, a, k)
		return &mask{k: k}
	}
	v := YMM()
	VPCMPEQD(b, a, v)
	return &mask{v: v}
}

// blend sets the selected lanes of dst to src.
func (s *set) blend(sel *mask, src, dst reg.VecVirtual) {
	if s.wide {
		VMOVAPS(src, sel.k, dst)
	} else {
		VBLENDVPS(sel.v, src, dst, dst)
	}
}

// pick returns src in the selected lanes and 0 in the others.
func (s *set) pick(sel *mask, src reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	if s.wide {
		VMOVAPS_Z(src, sel.k, v)
	} else {
		VANDPS(src, sel.v, v)
	}
	return v
}

// evens returns every second lane of the 2·lanes float32 at lo and hi, which it
// overwrites.
func (s *set) evens(lo, hi reg.VecVirtual) reg.VecVirtual {
	if s.wide {
		index := ZMM()
		VMOVUPS(s.lanesFrom(0, 2), index)
		VPERMT2PS(hi, index, lo)
		return lo
	}
	VSHUFPS(U8(0x88), hi, lo, lo)
	VPERMPD(U8(0xD8), lo, lo)
	return lo
}

// interleave returns a0 b0 a1 b1 ... in two vectors.
func (s *set) interleave(a, b reg.VecVirtual) (lo, hi reg.VecVirtual) {
	lo, hi = s.vec(), s.vec()
	if s.wide {
		var first, second []uint32
		for i := range uint32(8) {
			first = append(first, i, 16+i)
			second = append(second, 8+i, 24+i)
		}
		index := ZMM()
		VMOVAPS(a, lo)
		VMOVUPS(words("interleaveLow", first...), index)
		VPERMT2PS(b, index, lo)
		VMOVAPS(a, hi)
		index = ZMM()
		VMOVUPS(words("interleaveHigh", second...), index)
		VPERMT2PS(b, index, hi)
		return lo, hi
	}
	t, u := YMM(), YMM()
	VUNPCKLPS(b, a, t)
	VUNPCKHPS(b, a, u)
	VPERM2F128(U8(0x20), u, t, lo)
	VPERM2F128(U8(0x31), u, t, hi)
	return lo, hi
}
