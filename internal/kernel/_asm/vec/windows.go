package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The functions of this file pool several rows of windows of a plane in one
// call, for the sizes that nets have: windows of k columns, stride apart.
// Columns go in groups of as many windows as a vector has lanes; what lies
// outside the image is masked, so that the image's edges take no other way.

// Zen 5's prefetchers do not follow masked loads and stores, so that these ask
// for memory themselves, as far ahead as measured best for blobs of 32 MB:
// without that, pooling in memory takes three times as long.
const (
	aheadIn  = 8192 // bytes
	aheadOut = 2048
)

// aheadOf returns the size in bytes of a plane of rows·columns numbers, but not
// less than 2 KB.
func aheadOf(rows, columns string) reg.GPVirtual {
	n, least := Load(Param(rows), GP64()).(reg.GPVirtual), GP64()
	IMULQ(param(columns), n)
	SHLQ(U8(2), n)
	MOVQ(I32(2048), least)
	CMPQ(n, least)
	CMOVQLT(least, n)
	return n
}

// bounded returns r - less, brought into the range 0 to most.
func bounded(r reg.Register, less, most int) reg.GPVirtual {
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

// between returns the mask of lanes skip, skip+1, ... that are at least lo and
// below hi, both less the offset of the vector.
func (s *set) between(lo, hi reg.Register, offset, skip int) *mask {
	sel := s.mask(bounded(hi, offset, 2*s.lanes), skip)
	if lo == nil {
		return sel
	}
	not := s.mask(bounded(lo, offset, 2*s.lanes), skip)
	if s.wide {
		k := K()
		KANDNW(sel.k, not.k, k)
		return &mask{k: k}
	}
	VPANDN(sel.v, not.v, sel.v)
	return sel
}

// loadOr loads the selected lanes, with those of other in the rest.
func (s *set) loadOr(m Mem, sel *mask, other reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	if s.wide {
		VMOVAPS(other, v)
		VMOVUPS(m, sel.k, v)
		return v
	}
	VMASKMOVPS(m, sel.v, v)
	VBLENDVPS(sel.v, v, other, v)
	return v
}

// ordered puts the lanes in order of what VSHUFPS has taken from two vectors.
func (s *set) ordered(v reg.VecVirtual) {
	if !s.wide {
		VPERMPD(U8(0xD8), v, v)
		return
	}
	order := ZMM()
	VMOVUPS(words("shuffledOrder", 0, 0, 2, 0, 4, 0, 6, 0, 1, 0, 3, 0, 5, 0, 7, 0), order)
	VPERMPD(v, order, v)
}

// windows is a kind of window.
type windows struct {
	k, stride int
	max       bool // else the mean
}

func (w windows) name(verb string) string {
	kind := "ave"
	if w.max {
		kind = "max"
	}
	return fmt.Sprintf("%s%s%ds%d", kind, verb, w.k, w.stride)
}

// loads is what is loaded of a row of the image for a group of windows: one
// vector, or two that are shuffled, from each offset.
type loads struct {
	offset    int
	low, high *mask
	taps      []int // the columns of the window that these are
}

func (s *set) loads(w windows, lo, hi reg.Register) (list []loads) {
	if w.stride == 1 {
		for i := range w.k {
			list = append(list, loads{offset: i, low: s.between(lo, hi, i, 0), taps: []int{i}})
		}
		return list
	}
	for i := 0; i < w.k; i += 2 {
		l := loads{offset: i, low: s.between(lo, hi, i, 0), high: s.between(lo, hi, i, s.lanes)}
		for t := i; t < min(i+2, w.k); t++ {
			l.taps = append(l.taps, t)
		}
		list = append(list, l)
	}
	return list
}

// pool writes the forward pass:
//
//	x         from the first column of the first row of the first windows
//	width     columns of the image
//	step      numbers from one row of windows to the next
//	rows, n   rows of windows, windows in a row
//	kh        rows of a window
//	pad       columns of padding to the left
//	first     index of x[0] in its plane (max)
//	height    by how many rows the mean is divided (ave)
func (s *set) pool(w windows) {
	if w.max {
		s.text(w.name("Pool"), "(x []float32, width, step, rows, n, kh, pad, first int, y []float32, mask []int32)",
			"is windowOps.maxPool for such windows.")
	} else {
		s.text(w.name("Pool"), "(x []float32, width, step, rows, n, kh, pad int, height float32, y []float32)",
			"is windowOps.avePool for such windows.")
	}
	x := Load(Param("x").Base(), GP64())
	y := Load(Param("y").Base(), GP64())
	hi := Load(Param("width"), GP64()) // columns from the group's first on
	lo := Load(Param("pad"), GP64())   // of which those of the padding
	ADDQ(lo, hi)
	shift := GP64()
	MOVQ(lo, shift)
	SHLQ(U8(2), shift)
	SUBQ(shift, x)
	left := Load(Param("n"), GP64()) // windows
	var out, index reg.Register
	if w.max {
		out = Load(Param("mask").Base(), GP64())
		index = Load(Param("first"), GP64()) // of the group's first column
		SUBQ(lo, index.(reg.GPVirtual))
	}

	Label("group")
	CMPQ(left, I32(0))
	JLE(LabelRef("done"))
	sel := s.mask(bounded(left, 0, s.lanes), 0)
	from := s.loads(w, lo, hi)
	other, skip, size := s.vec(), s.vec(), s.vec()
	if w.max {
		VMOVUPS(number(-math.MaxFloat32), other)
		gap := Load(Param("width"), GP64())
		SUBQ(I32(w.k), gap)
		skip = s.broadcastInt(gap) // from the end of one row of the window to the next
	} else {
		size = s.widths(w, hi, 0)
		VMULPS(s.broadcast(param("height")), size, size)
	}
	row, to := GP64(), GP64() // to: byte offset in y and mask
	MOVQ(x, row)
	XORQ(to, to)
	rows := Load(Param("rows"), GP64())
	var at reg.GPVirtual
	if w.max {
		at = GP64()
		MOVQ(index, at)
	}

	Label("row")
	line, h := GP64(), GP64()
	MOVQ(row, line)
	PREFETCHT0(Mem{Base: y, Index: to, Scale: 1, Disp: aheadOut})
	if w.max {
		PREFETCHT0(Mem{Base: out, Index: to, Scale: 1, Disp: aheadOut})
	}
	Load(Param("kh"), h)
	best, where, off := s.vec(), s.vec(), s.vec()
	if w.max {
		VMOVAPS(other, best)
		s.clear(where)
		s.clear(off)
	} else {
		s.clear(best)
	}

	Label("line")
	for i := range w.stride {
		PREFETCHT0(Mem{Base: line, Disp: aheadIn + 64*i})
	}
	for _, l := range from {
		var low, high reg.VecVirtual
		load := func(disp int, sel *mask) reg.VecVirtual {
			m := Mem{Base: line, Disp: disp}
			if w.max {
				return s.loadOr(m, sel, other)
			}
			return s.load(m, sel)
		}
		low = load(4*l.offset, l.low)
		if l.high != nil {
			high = load(4*(l.offset+s.lanes), l.high)
		}
		for i := range l.taps {
			v := low
			if high != nil {
				v = s.vec()
				VSHUFPS(U8([]uint8{0x88, 0xDD}[i]), high, low, v)
			}
			if !w.max {
				VADDPS(v, best, best)
				continue
			}
			sel := s.compare(greater, v, best)
			VMAXPS(best, v, best) // best where v is NaN
			s.blend(sel, off, where)
			VPADDD(bits(1), off, off)
		}
	}
	width := Load(Param("width"), GP64())
	LEAQ(Mem{Base: line, Index: width, Scale: 4}, line)
	if w.max {
		VPADDD(skip, off, off)
	}
	DECQ(h)
	JNZ(LabelRef("line"))

	if w.stride == 2 {
		s.ordered(best)
	}
	if w.max {
		if w.stride == 2 {
			s.ordered(where)
		}
		base, none := s.broadcastInt(at), s.vec()
		VPADDD(base, where, where)
		VPADDD(s.lanesFrom(0, w.stride), where, where)
		VMOVUPS(bits(math.MaxUint32), none)
		s.blend(s.compare(greater, best, other), where, none)
		s.store(none, Mem{Base: out, Index: to, Scale: 1}, sel)
	} else {
		VDIVPS(size, best, best)
	}
	s.store(best, Mem{Base: y, Index: to, Scale: 1}, sel)
	n, step := Load(Param("n"), GP64()), Load(Param("step"), GP64())
	LEAQ(Mem{Base: to, Index: n, Scale: 4}, to)
	LEAQ(Mem{Base: row, Index: step, Scale: 4}, row)
	if w.max {
		ADDQ(step, at)
	}
	DECQ(rows)
	JNZ(LabelRef("row"))

	columns := s.lanes * w.stride
	ADDQ(I32(4*columns), x)
	ADDQ(I32(4*s.lanes), y)
	if w.max {
		ADDQ(I32(4*s.lanes), out)
		ADDQ(I32(columns), index)
	}
	SUBQ(I32(columns), hi)
	SUBQ(I32(columns), lo)
	SUBQ(I32(s.lanes), left)
	JMP(LabelRef("group"))
	Label("done")
	ret()
}

// widths returns the widths of a group of windows in the padded image, as
// float32: of those that begin before columns behind the group's first. hi
// is the number of columns from there to the end of the image. Parameter pad is
// the padding. No width is less than 1.
func (s *set) widths(w windows, hi reg.Register, before int) reg.VecVirtual {
	room := Load(Param("pad"), GP64())
	ADDQ(hi, room)
	ADDQ(I32(before), room)
	v := s.broadcastInt(room)
	VPSUBD(s.lanesFrom(0, w.stride), v, v)
	VPMINSD(bits(uint32(w.k)), v, v)
	VPMAXSD(bits(1), v, v)
	VCVTDQ2PS(v, v)
	return v
}

// unpool writes the backward pass of windows two columns and rows apart, of k
// rows each:
//
//	dy, mask       n windows in each of outH rows
//	dx             height rows of width columns
//	padH, pad      rows of padding above, columns of it to the left
//
// The columns of dx go in pairs of which the second is seen by one window, the
// first by as many or, for k = 3, by the one before it too; the rows likewise.
// Sums are taken in the order of the windows.
func (s *set) unpool(w windows) {
	if w.max {
		s.text(w.name("Unpool"), "(dy []float32, mask []int32, outH, n int, dx []float32, height, width, padH, pad int)",
			"is windowOps.maxUnpool for such windows.")
	} else {
		s.text(w.name("Unpool"), "(dy []float32, outH, n int, dx []float32, height, width, padH, pad int)",
			"is windowOps.aveUnpool for such windows.")
	}
	dy := Load(Param("dy").Base(), GP64())
	dx := Load(Param("dx").Base(), GP64())
	dyAhead, dxAhead := aheadOf("outH", "n"), aheadOf("height", "width")
	ADDQ(dx, dxAhead)
	hi := Load(Param("width"), GP64()) // columns from the group's first on
	lo := Load(Param("pad"), GP64())   // of which those of the padding
	left := Load(Param("n"), GP64())   // windows
	var in reg.Register
	if w.max {
		in = Load(Param("mask").Base(), GP64())
	}
	// The place in the plane of the group's first column, in the first row
	// that there are windows for, which is padH above the plane.
	first := Load(Param("padH"), GP64())
	IMULQ(param("width"), first)
	ADDQ(lo, first)
	NEGQ(first)
	ADDQ(lo, hi)

	Label("group")
	CMPQ(hi, I32(0))
	JLE(LabelRef("done"))
	sel := s.between(nil, left, 0, 0)
	selBefore := sel
	if w.k == 3 { // windows of which the first has none before it
		lead := GP64()
		MOVQ(left, lead)
		SUBQ(param("n"), lead)
		selBefore = s.between(lead, left, -1, 0)
	}
	low, high := s.between(lo, hi, 0, 0), s.between(lo, hi, 0, s.lanes)
	var size, sizeBefore reg.VecVirtual
	if !w.max {
		size = s.widths(w, hi, 0)
		if w.k == 3 {
			sizeBefore = s.widths(w, hi, 2)
		}
	}
	from := GP64() // byte offset in dy and mask
	XORQ(from, from)
	r := Load(Param("padH"), GP64()) // the row's number
	NEGQ(r)
	rows := Load(Param("outH"), GP64())
	at := GP64()
	MOVQ(first, at)
	evens, odds := s.zero(), s.zero() // what the row of windows above has left

	// store stores a row of the pairs, if there is such a row, and goes to the
	// next.
	store := func(label string, evens, odds reg.VecVirtual) {
		CMPQ(r, param("height"))
		JCC(LabelRef(label)) // also those above
		a, b := s.interleave(evens, odds)
		s.store(a, Mem{Base: dx, Index: at, Scale: 4}, low)
		s.store(b, Mem{Base: dx, Index: at, Scale: 4, Disp: 4 * s.lanes}, high)
		Label(label)
		ADDQ(param("width"), at)
		INCQ(r)
	}

	Label("row")
	for i := range 4 {
		PREFETCHT0(Mem{Base: dxAhead, Disp: 64 * i})
	}
	ADDQ(I32(4*64), dxAhead)
	PREFETCHT0(Mem{Base: dy, Index: dyAhead, Scale: 1})
	if w.max {
		PREFETCHT0(Mem{Base: in, Index: dyAhead, Scale: 1})
	}
	ADDQ(I32(64), dyAhead)
	d := s.load(Mem{Base: dy, Index: from, Scale: 1}, sel)
	var dBefore, m, mBefore reg.VecVirtual
	if w.k == 3 {
		dBefore = s.load(Mem{Base: dy, Index: from, Scale: 1, Disp: -4}, selBefore)
	}
	if w.max {
		m = s.load(Mem{Base: in, Index: from, Scale: 1}, sel)
		if w.k == 3 {
			mBefore = s.load(Mem{Base: in, Index: from, Scale: 1, Disp: -4}, selBefore)
		}
	} else {
		// the window's rows in the padded image
		room := Load(Param("height"), GP64())
		h := Load(Param("padH"), GP64())
		ADDQ(h, room)
		SUBQ(r, room)
		MOVQ(I32(w.k), h)
		CMPQ(room, h)
		CMOVQGT(h, room)
		x := s.broadcastInt(room)
		VCVTDQ2PS(x, x)
		area := s.vec()
		VMULPS(size, x, area)
		VDIVPS(area, d, d)
		if w.k == 3 {
			VMULPS(sizeBefore, x, area)
			VDIVPS(area, dBefore, dBefore)
		}
	}
	// add adds what the windows give to the row of dx at at.
	add := func(evens, odds reg.VecVirtual) {
		if !w.max {
			if w.k == 3 {
				VADDPS(dBefore, evens, evens)
			}
			VADDPS(d, evens, evens)
			VADDPS(d, odds, odds)
			return
		}
		column := s.broadcastInt(at)
		VPADDD(s.lanesFrom(0, 2), column, column)
		if w.k == 3 {
			s.addWhere(s.compareInt(mBefore, column), dBefore, evens)
		}
		s.addWhere(s.compareInt(m, column), d, evens)
		VPADDD(bits(1), column, column)
		s.addWhere(s.compareInt(m, column), d, odds)
	}
	add(evens, odds)
	store("even", evens, odds)
	evens2, odds2 := s.zero(), s.zero()
	add(evens2, odds2)
	store("odd", evens2, odds2)
	s.clear(evens)
	s.clear(odds)
	if w.k == 3 {
		add(evens, odds) // of the row of dx that the next windows begin with
	}
	n := Load(Param("n"), GP64())
	LEAQ(Mem{Base: from, Index: n, Scale: 4}, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	if w.k == 3 {
		store("last", evens, odds)
	}

	ADDQ(I32(2*s.lanes), first)
	ADDQ(I32(4*s.lanes), dy)
	if w.max {
		ADDQ(I32(4*s.lanes), in)
	}
	SUBQ(I32(2*s.lanes), hi)
	SUBQ(I32(2*s.lanes), lo)
	SUBQ(I32(s.lanes), left)
	JMP(LabelRef("group"))
	Label("done")
	ret()
}

// addWhere adds v to sum in the selected lanes.
func (s *set) addWhere(sel *mask, v, sum reg.VecVirtual) {
	if s.wide {
		VADDPS(v, sum, sel.k, sum)
		return
	}
	VANDPS(v, sel.v, sel.v)
	VADDPS(sel.v, sum, sum)
}
