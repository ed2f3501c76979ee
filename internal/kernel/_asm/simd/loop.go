package simd

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Zen 5's prefetchers do not follow masked loads and stores, so loops with masks
// prefetch by themselves, as far ahead as measured best for blobs of 32 MB:
// without that, pooling takes three times as long in memory.
const (
	AheadIn  = 8192 // bytes
	AheadOut = 2048
)

// A Mapping is a loop over slices of one length, that of the first output.
type Mapping struct {
	Name, Signature, Doc string
	In, Out              []string // slices read, slices written
	Scalars              []string // arguments that Body needs in every lane
	Vectors              []string // slices of one vector
	Unroll               int

	// Body computes the outputs from the inputs. scalars are followed by the vectors.
	Body func(in, scalars []reg.VecVirtual) []reg.VecVirtual
}

// Map writes the function of a Mapping.
func (s *Set) Map(m Mapping) {
	s.Text(m.Name, m.Signature, m.Doc)
	base := map[string]reg.Register{}
	for _, name := range append(append([]string{}, m.In...), m.Out...) {
		if base[name] == nil {
			base[name] = Load(Param(name).Base(), GP64())
		}
	}
	n := Load(Param(m.Out[0]).Len(), GP64())
	var scalars []reg.VecVirtual
	for _, name := range m.Scalars {
		scalars = append(scalars, s.Broadcast(Arg(name)))
	}
	for _, name := range m.Vectors {
		scalars = append(scalars, s.Load(Mem{Base: Load(Param(name).Base(), GP64())}, nil))
	}
	at := GP64() // byte offset of the next lane
	XORQ(at, at)

	step := func(count int, sel *Mask) {
		for u := range count {
			address := func(name string) Mem {
				return Mem{Base: base[name], Index: at, Scale: 1, Disp: 4 * s.Lanes * u}
			}
			var in []reg.VecVirtual
			for _, name := range m.In {
				in = append(in, s.Load(address(name), sel))
			}
			for i, v := range m.Body(in, scalars) {
				s.Store(v, address(m.Out[i]), sel)
			}
		}
	}
	loop := func(count int) {
		again, end := fmt.Sprintf("by%d", count), fmt.Sprintf("by%dEnd", count)
		Label(again)
		CMPQ(n, I32(count*s.Lanes))
		JL(LabelRef(end))
		step(count, nil)
		ADDQ(I32(4*count*s.Lanes), at)
		SUBQ(I32(count*s.Lanes), n)
		JMP(LabelRef(again))
		Label(end)
	}
	if m.Unroll > 1 {
		loop(m.Unroll)
	}
	loop(1)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	step(1, s.Mask(n, 0))
	Label("done")
	Ret()
}

// A Reduction is a loop that adds in float64: it converts Lanes/2 elements at a
// time to float64 and adds them to vectors of as many sums.
type Reduction struct {
	Name, Signature, Doc string
	In                   []string
	Results              int

	// Body adds in to the sums, one vector for each result. Lanes behind the end
	// of the slices are 0 in in.
	Body func(in, sums []reg.VecVirtual)
}

// Reduce writes the function of a Reduction.
func (s *Set) Reduce(r Reduction) {
	const unroll = 4
	lanes := s.Lanes / 2
	s.Text(r.Name, r.Signature, r.Doc)
	var base []reg.Register
	for _, name := range r.In {
		base = append(base, Load(Param(name).Base(), GP64()))
	}
	n := Load(Param(r.In[0]).Len(), GP64())
	var sums [unroll][]reg.VecVirtual
	for u := range sums {
		for range r.Results {
			sums[u] = append(sums[u], s.Zero())
		}
	}
	at := GP64()
	XORQ(at, at)

	step := func(u int, sel *Mask) {
		var in []reg.VecVirtual
		for i := range r.In {
			from := Mem{Base: base[i], Index: at, Scale: 1, Disp: 4 * lanes * u}
			v := s.Vec()
			if sel == nil {
				VCVTPS2PD(from, v)
			} else {
				h := s.Half()
				s.LoadTo(from, sel, h)
				VCVTPS2PD(h, v)
			}
			in = append(in, v)
		}
		r.Body(in, sums[u])
	}
	Label("loop")
	CMPQ(n, I32(unroll*lanes))
	JL(LabelRef("loopEnd"))
	for u := range unroll {
		step(u, nil)
	}
	ADDQ(I32(4*unroll*lanes), at)
	SUBQ(I32(unroll*lanes), n)
	JMP(LabelRef("loop"))
	Label("loopEnd")

	Label("single")
	CMPQ(n, I32(lanes))
	JL(LabelRef("singleEnd"))
	step(0, nil)
	ADDQ(I32(4*lanes), at)
	SUBQ(I32(lanes), n)
	JMP(LabelRef("single"))
	Label("singleEnd")

	TESTQ(n, n)
	JZ(LabelRef("done"))
	// The rest is added to the second sums, whose elements are one vector
	// further in memory than those of the first.
	SUBQ(I32(4*lanes), at)
	step(1, s.Mask(n, 0))
	Label("done")

	for i := range r.Results {
		VADDPD(sums[1][i], sums[0][i], sums[0][i])
		VADDPD(sums[3][i], sums[2][i], sums[2][i])
		VADDPD(sums[2][i], sums[0][i], sums[0][i])
		VMOVSD(s.Horizontal(sums[0][i], VADDPD), Result(i))
	}
	Ret()
}
