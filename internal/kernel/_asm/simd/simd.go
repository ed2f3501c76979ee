// Package simd writes instructions for vectors of either width. Code generated
// with it is written once, for AVX2 and for AVX-512; only what the two
// instruction sets do in different ways (masks, permutations) is told apart, here.
package simd

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A Set is an instruction set to write functions for.
type Set struct {
	Suffix string // of the names of its functions
	Lanes  int    // float32 in a vector
	Wide   bool   // AVX-512: masks are registers of their own
}

// Sets are the instruction sets that there are functions for.
var Sets = []*Set{
	{Suffix: "AVX2", Lanes: 8},
	{Suffix: "AVX512", Lanes: 16, Wide: true},
}

// Bytes returns the size of a vector.
func (s *Set) Bytes() int { return 4 * s.Lanes }

// Vec returns a new vector of Lanes float32 or half as many float64.
func (s *Set) Vec() reg.VecVirtual {
	if s.Wide {
		return ZMM()
	}
	return YMM()
}

// Half returns a new vector of Lanes/2 float32.
func (s *Set) Half() reg.VecVirtual {
	if s.Wide {
		return YMM()
	}
	return XMM()
}

// Text begins the function whose name is name and the set's suffix.
func (s *Set) Text(name, signature, doc string) {
	TEXT(name+s.Suffix, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(name + s.Suffix + " " + doc)
}

// Ret ends a function. The processor may go back to narrow registers.
func Ret() {
	VZEROUPPER()
	RET()
}

// Arg returns the address of a scalar argument.
func Arg(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// Result returns the address of result i.
func Result(i int) Mem {
	b, err := ReturnIndex(i).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// Broadcast returns a vector with the float32 or uint32 at m in every lane.
func (s *Set) Broadcast(m Op) reg.VecVirtual {
	v := s.Vec()
	VBROADCASTSS(m, v)
	return v
}

// BroadcastInt returns a vector with the lower half of r in every lane.
func (s *Set) BroadcastInt(r reg.Register) reg.VecVirtual {
	v, x := s.Vec(), XMM()
	VMOVD(r.(reg.GP).As32(), x)
	VPBROADCASTD(x, v)
	return v
}

// Zero returns a vector of zeros.
func (s *Set) Zero() reg.VecVirtual {
	v := s.Vec()
	s.Clear(v)
	return v
}

// Clear sets v to 0.
func (s *Set) Clear(v reg.VecVirtual) {
	if s.Wide {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

// The predicates of Compare. With a NaN they are false, except for Unordered, which
// is true exactly then.
const (
	Unordered = 3  // UNORD_Q
	Less      = 17 // LT_OQ
	AtMost    = 18 // LE_OQ
	Greater   = 30 // GT_OQ
)

// Compare returns the mask of the lanes with a OP b.
func (s *Set) Compare(op uint8, a reg.VecVirtual, b Op) *Mask {
	if s.Wide {
		k := K()
		VCMPPS(U8(op), b, a, k)
		return &Mask{K: k}
	}
	v := YMM()
	VCMPPS(U8(op), b, a, v)
	return &Mask{V: v}
}

// CompareInt returns the mask of the lanes with a == b, as integers.
func (s *Set) CompareInt(a, b reg.VecVirtual) *Mask {
	if s.Wide {
		k := K()
		VPCMPEQD(b, a, k)
		return &Mask{K: k}
	}
	v := YMM()
	VPCMPEQD(b, a, v)
	return &Mask{V: v}
}

// Horizontal combines the float64 lanes of v, which it overwrites, in the order
// of a tree.
func (s *Set) Horizontal(v reg.VecVirtual, op func(...Op)) reg.Register {
	y := v.AsY()
	if s.Wide {
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		op(upper, y, y)
	}
	upper := XMM()
	VEXTRACTF128(U8(1), y, upper)
	x := v.AsX()
	op(upper, x, x)
	VPERMILPD(U8(1), x, upper)
	op(upper, x, x)
	return x
}
