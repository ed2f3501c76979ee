package pool

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// unpool1 writes the backward pass of the maxima of windows of 3x3, one column and row
// apart, with the arguments of unpool. Each column of dx is covered by three windows of a
// row of windows, and each row by three rows, so a row of windows adds to three rows of
// dx. Sums are taken in the order of the windows.
func (s *set) unpool1(w windows) {
	s.Text(w.name("Unpool"), "(dy []float32, mask []int32, outH, n int, dx []float32, height, width, padH, pad int)",
		"is specialOps.maxUnpool for such windows.")
	dy, in := Load(Param("dy").Base(), GP64()), Load(Param("mask").Base(), GP64())
	dx := Load(Param("dx").Base(), GP64())
	hi := Load(Param("width"), GP64()) // columns from the first of the group on
	step := s.BroadcastInt(hi)
	// The first window that covers the first column is number pad - 2: lanes from lo to
	// left - 1 have such a window, lanes from lo - 1 to left - 2 the one after it.
	lo, left := GP64(), Load(Param("n"), GP64())
	MOVQ(I32(2), lo)
	pad := Load(Param("pad"), GP64())
	SUBQ(pad, lo)
	ADDQ(lo, left)
	for _, p := range []reg.Register{dy, in} {
		LEAQ(Mem{Base: p, Index: pad, Scale: 4, Disp: -8}, p)
	}
	// The index in the plane of the group's first column, in the first row of the first
	// windows, which is padH rows above the plane.
	first := Load(Param("padH"), GP64())
	IMULQ(hi, first)
	NEGQ(first)

	Label("group")
	CMPQ(hi, I32(0))
	JLE(LabelRef("done"))
	var sel [3]*simd.Mask
	for i := range sel {
		sel[i] = s.Between(lo, left, i, 0)
	}
	low := s.Between(nil, hi, 0, 0)
	at := GP64()
	MOVQ(first, at)
	var sums, columns [3]reg.VecVirtual // of three rows, and the indices of their elements
	for i := range sums {
		sums[i] = s.Zero()
		if i == 0 {
			columns[i] = s.BroadcastInt(at)
			VPADDD(s.Sequence(0, 1), columns[i], columns[i])
			continue
		}
		columns[i] = s.Vec()
		VPADDD(step, columns[i-1], columns[i])
	}
	from := GP64() // byte offset in dy and mask
	XORQ(from, from)
	r := Load(Param("padH"), GP64()) // the number of the row
	NEGQ(r)
	rows := Load(Param("outH"), GP64())
	// store stores a row if it is in the plane, and goes to the next.
	store := func(label string, sum reg.VecVirtual) {
		CMPQ(r, simd.Arg("height"))
		JCC(LabelRef(label)) // also those above
		s.Store(sum, Mem{Base: dx, Index: at, Scale: 4}, low)
		Label(label)
		ADDQ(simd.Arg("width"), at)
		INCQ(r)
	}

	Label("row")
	for i := range sel {
		m := s.Load(Mem{Base: in, Index: from, Scale: 1, Disp: 4 * i}, sel[i])
		d := s.Load(Mem{Base: dy, Index: from, Scale: 1, Disp: 4 * i}, sel[i])
		for j := range sums {
			s.addWhere(s.CompareInt(m, columns[j]), d, sums[j])
		}
	}
	store("stored", sums[0])
	VMOVAPS(sums[1], sums[0])
	VMOVAPS(sums[2], sums[1])
	s.Clear(sums[2])
	for _, column := range columns {
		VPADDD(step, column, column)
	}
	n := Load(Param("n"), GP64())
	LEAQ(Mem{Base: from, Index: n, Scale: 4}, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	store("second", sums[0])
	store("last", sums[1])

	ADDQ(I32(s.Lanes), first)
	ADDQ(I32(4*s.Lanes), dy)
	ADDQ(I32(4*s.Lanes), in)
	for _, count := range []reg.Register{hi, lo, left} {
		SUBQ(I32(s.Lanes), count)
	}
	JMP(LabelRef("group"))
	Label("done")
	simd.Ret()
}
