package simd

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A Mask selects lanes of a vector. A nil mask selects all.
type Mask struct {
	K reg.Register   // AVX-512
	V reg.VecVirtual // AVX2: -1 in the lanes selected
}

// Mask returns the mask of lanes skip, skip+1, ... below n, for n from 0 to 32
// (16 with AVX2) and skip 0 or Lanes.
func (s *Set) Mask(n reg.Register, skip int) *Mask {
	table := GP64()
	if s.Wide {
		ones := make([]uint32, 33)
		for i := range ones {
			ones[i] = uint32(uint64(1)<<i - 1)
		}
		LEAQ(Words("maskBits", ones...), table)
		k := K()
		KMOVW(Mem{Base: table, Index: n, Scale: 4, Disp: skip / 8}, k)
		return &Mask{K: k}
	}
	list := make([]uint32, 32)
	for i := range 16 {
		list[i] = math.MaxUint32
	}
	LEAQ(Words("maskWords", list...), table)
	at := GP64()
	MOVQ(n, at)
	NEGQ(at)
	v := YMM()
	VMOVDQU(Mem{Base: table, Index: at, Scale: 4, Disp: 4 * (16 + skip)}, v)
	return &Mask{V: v}
}

// LoadTo loads the selected lanes of v and clears the others.
func (s *Set) LoadTo(m Mem, sel *Mask, v reg.VecVirtual) {
	switch {
	case sel == nil:
		VMOVUPS(m, v)
	case s.Wide:
		VMOVUPS_Z(m, sel.K, v)
	default:
		chosen := Op(sel.V)
		if v.Size() == 16 {
			chosen = sel.V.AsX()
		}
		VMASKMOVPS(m, chosen, v)
	}
}

// Load returns a new vector that LoadTo has loaded.
func (s *Set) Load(m Mem, sel *Mask) reg.VecVirtual {
	v := s.Vec()
	s.LoadTo(m, sel, v)
	return v
}

// Store stores the selected lanes. The memory of the others stays as it is.
func (s *Set) Store(v reg.VecVirtual, m Mem, sel *Mask) {
	switch {
	case sel == nil:
		VMOVUPS(v, m)
	case s.Wide:
		VMOVUPS(v, sel.K, m)
	default:
		VMASKMOVPS(v, sel.V, m)
	}
}

// Blend sets the selected lanes of dst to those of src.
func (s *Set) Blend(sel *Mask, src, dst reg.VecVirtual) {
	if s.Wide {
		VMOVAPS(src, sel.K, dst)
	} else {
		VBLENDVPS(sel.V, src, dst, dst)
	}
}

// Pick returns src in the selected lanes and 0 in the others.
func (s *Set) Pick(sel *Mask, src reg.VecVirtual) reg.VecVirtual {
	v := s.Vec()
	if s.Wide {
		VMOVAPS_Z(src, sel.K, v)
	} else {
		VANDPS(src, sel.V, v)
	}
	return v
}

// Bounded returns r - less, clamped to the range from 0 to most.
func Bounded(r reg.Register, less, most int) reg.GPVirtual {
	n, limit := GP64(), GP64()
	LEAQ(Mem{Base: r, Disp: -less}, n)
	XORQ(limit, limit)
	TESTQ(n, n)
	CMOVQLT(limit, n)
	MOVQ(I32(most), limit)
	CMPQ(n, limit)
	CMOVQGT(limit, n)
	return n
}

// Between returns the mask of lanes skip, skip+1, ... that are at least lo and
// below hi, both less the offset of the vector. A nil lo is no bound.
func (s *Set) Between(lo, hi reg.Register, offset, skip int) *Mask {
	sel := s.Mask(Bounded(hi, offset, 2*s.Lanes), skip)
	if lo == nil {
		return sel
	}
	not := s.Mask(Bounded(lo, offset, 2*s.Lanes), skip)
	if s.Wide {
		k := K()
		KANDNW(sel.K, not.K, k)
		return &Mask{K: k}
	}
	VPANDN(sel.V, not.V, sel.V)
	return sel
}
