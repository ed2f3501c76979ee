package norm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// fourthRoot returns s^-¼, where s = k + alpha·m is clamped to the range from 2^-72
// to 2^72. It improves an estimate by Newton's method, w += w(1 - s·w⁴)/4, until all
// bits but about the last are right.
func (s *set) fourthRoot(m, alpha, k reg.VecVirtual) reg.VecVirtual {
	limit, scale := s.Vec(), s.Vec()
	VFMADD213PS(k, alpha, m)
	VMOVUPS(simd.Float(0x1p72), limit)
	VMINPS(m, limit, limit) // m where it is NaN
	VMOVUPS(simd.Float(0x1p-72), scale)
	VMAXPS(limit, scale, scale) // the same

	w, root := s.Vec(), s.Vec()
	steps := 1
	if s.Wide {
		VRSQRT14PS(scale, w)
		VRSQRT14PS(w, root)
	} else {
		VRSQRTPS(scale, w) // 12 bits
		VRSQRTPS(w, root)
		steps = 2
	}
	VMULPS(root, w, w) // s^-½ · s^¼
	for range steps {
		e, quarter := s.Vec(), s.Vec()
		VMULPS(w, w, e)
		VMULPS(e, e, e)
		VFNMADD213PS(simd.Float(1), scale, e)
		VMULPS(simd.Float(0.25), w, quarter)
		VFMADD231PS(e, quarter, w)
	}
	return w
}

// cubeTimes multiplies x by w³.
func (s *set) cubeTimes(x, w reg.VecVirtual) {
	for range 3 {
		VMULPS(w, x, x)
	}
}

// lrn writes the loops of local response normalization with beta 0.75.
func (s *set) lrn() {
	s.Map(simd.Mapping{
		Name: "lrnForward", Signature: "(y, x, m []float32, alpha, k float32)",
		Doc: "sets y to x·(k + alpha·m)^-0.75.",
		In:  []string{"x", "m"}, Out: []string{"y"}, Scalars: []string{"alpha", "k"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			s.cubeTimes(in[0], s.fourthRoot(in[1], c[0], c[1]))
			return in[:1]
		},
	})
	s.Map(simd.Mapping{
		Name: "lrnGrad", Signature: "(dx, ratio, dy, x, m []float32, alpha, k float32)",
		Doc: "sets dx to dy·(k + alpha·m)^-0.75 and ratio to dy·x·(k + alpha·m)^-1.75.",
		In:  []string{"dy", "x", "m"}, Out: []string{"dx", "ratio"}, Scalars: []string{"alpha", "k"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			w := s.fourthRoot(in[2], c[0], c[1])
			s.cubeTimes(in[0], w)
			r := in[1]
			VMULPS(in[0], r, r)
			VMULPS(w, w, w)
			VMULPS(w, w, w)
			VMULPS(w, r, r)
			return []reg.VecVirtual{in[0], r}
		},
	})
	s.Map(simd.Mapping{
		Name: "mulAxpy", Signature: "(alpha float32, a, b, y []float32)",
		Doc: "adds alpha·a·b to y.",
		In:  []string{"a", "b", "y"}, Out: []string{"y"}, Scalars: []string{"alpha"}, Unroll: 2,
		Body: func(in, c []reg.VecVirtual) []reg.VecVirtual {
			VMULPS(c[0], in[0], in[0])
			VFMADD231PS(in[0], in[1], in[2])
			return in[2:]
		},
	})
	s.lrnWithin()
	s.prefetch()
	s.sumRows("sumRows", "sets dst to the sum of the rows x[r·stride:], which have as many elements.",
		func(v, sum reg.VecVirtual) { VADDPS(v, sum, sum) })
	s.sumRows("sumSqRows", "is sumRows of the squares.",
		func(v, sum reg.VecVirtual) { VFMADD231PS(v, v, sum) })
}

// prefetch writes a loop that prefetches the memory of x.
func (s *set) prefetch() {
	s.Text("prefetch", "(x []float32)", "prefetches the memory of x.")
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	Label("loop")
	CMPQ(n, I32(0))
	JLE(LabelRef("done"))
	PREFETCHT0(Mem{Base: x})
	ADDQ(I32(64), x)
	SUBQ(I32(16), n)
	JMP(LabelRef("loop"))
	Label("done")
	RET()
}

// sumRows writes a loop that adds some columns of all rows, then the next columns. It
// prefetches the row behind the last one, which LRN needs next.
func (s *set) sumRows(name, doc string, add func(v, sum reg.VecVirtual)) {
	s.Text(name, "(dst, x []float32, stride, rows int)", doc)
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	stride := Load(Param("stride"), GP64())
	SHLQ(U8(2), stride)
	columns := func(count int, sel *simd.Mask) {
		var sums []reg.VecVirtual
		for range count {
			sums = append(sums, s.Zero())
		}
		row, left := GP64(), GP64()
		MOVQ(x, row)
		Load(Param("rows"), left)
		label := fmt.Sprintf("rows%d", count)
		if sel != nil {
			label = "rowsRest"
		}
		Label(label)
		for u, sum := range sums {
			add(s.Load(Mem{Base: row, Disp: 4 * s.Lanes * u}, sel), sum)
		}
		ADDQ(stride, row)
		DECQ(left)
		JNZ(LabelRef(label))
		for u, sum := range sums {
			PREFETCHT0(Mem{Base: row, Disp: 4 * s.Lanes * u})
			s.Store(sum, Mem{Base: dst, Disp: 4 * s.Lanes * u}, sel)
		}
	}
	loop := func(count int) {
		again, end := fmt.Sprintf("by%d", count), fmt.Sprintf("by%dEnd", count)
		Label(again)
		CMPQ(n, I32(count*s.Lanes))
		JL(LabelRef(end))
		columns(count, nil)
		ADDQ(I32(4*count*s.Lanes), x)
		ADDQ(I32(4*count*s.Lanes), dst)
		SUBQ(I32(count*s.Lanes), n)
		JMP(LabelRef(again))
		Label(end)
	}
	loop(4)
	loop(1)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	columns(1, s.Mask(n, 0))
	Label("done")
	simd.Ret()
}

// boxes writes a loop over a plane of h rows of w elements, one group of columns after
// the other, that computes the sum of the 3x3 elements of from, or of their squares,
// around each. body stores what it computes from the sum: at is the byte offset in the
// plane of the lanes that sel selects, and same has the elements of from there.
func (s *set) boxes(from string, squares bool, outs []string, body func(sum, same reg.VecVirtual, at reg.Register, sel *simd.Mask)) {
	plane := Load(Param(from).Base(), GP64())
	// As in pool, there is a column of padding to the left.
	hi, lo := Load(Param("w"), GP64()), GP64()
	INCQ(hi)
	MOVQ(I32(1), lo)
	first := GP64()
	XORQ(first, first)

	Label("group")
	CMPQ(hi, I32(1))
	JLE(LabelRef("done"))
	sel := s.Between(nil, hi, 1, 0)
	around := []*simd.Mask{s.Between(lo, hi, 0, 0), sel, s.Between(nil, hi, 2, 0)}
	at, next := GP64(), GP64() // a row, and the one behind it
	MOVQ(first, at)
	MOVQ(first, next)
	rows := Load(Param("h"), GP64())
	above, sum, below := s.Zero(), s.Vec(), s.Zero() // of a row each
	same, sameBelow := s.Vec(), s.Zero()

	// row sets below and sameBelow for the row at next, and moves next on.
	row := func() {
		PREFETCHT0(Mem{Base: plane, Index: next, Scale: 1, Disp: simd.AheadIn})
		s.Clear(below)
		for i, sel := range around {
			v := s.Load(Mem{Base: plane, Index: next, Scale: 1, Disp: 4 * (i - 1)}, sel)
			if i == 1 {
				VMOVAPS(v, sameBelow)
			}
			if squares {
				VFMADD231PS(v, v, below)
			} else {
				VADDPS(v, below, below)
			}
		}
		width := Load(Param("w"), GP64())
		LEAQ(Mem{Base: next, Index: width, Scale: 4}, next)
	}
	row()
	Label("row")
	VMOVAPS(below, sum)
	VMOVAPS(sameBelow, same)
	s.Clear(below)
	CMPQ(rows, I32(1))
	JEQ(LabelRef("last"))
	row()
	Label("last")
	VADDPS(sum, above, above)
	VADDPS(below, above, above)
	for _, name := range outs {
		out := Load(Param(name).Base(), GP64())
		PREFETCHT0(Mem{Base: out, Index: at, Scale: 1, Disp: simd.AheadOut})
	}
	body(above, same, at, sel)
	VMOVAPS(sum, above)
	width := Load(Param("w"), GP64())
	LEAQ(Mem{Base: at, Index: width, Scale: 4}, at)
	DECQ(rows)
	JNZ(LabelRef("row"))

	ADDQ(I32(4*s.Lanes), first)
	SUBQ(I32(s.Lanes), hi)
	SUBQ(I32(s.Lanes), lo)
	JMP(LabelRef("group"))
	Label("done")
	simd.Ret()
}

// lrnWithin writes WITHIN_CHANNEL for windows of 3x3 and beta 0.75.
func (s *set) lrnWithin() {
	address := func(name string, at reg.Register) Mem {
		return Mem{Base: Load(Param(name).Base(), GP64()), Index: at, Scale: 1}
	}
	s.Text("lrnWithin3", "(y, x []float32, h, w int, alpha, k float32)",
		"sets y to x·(k + alpha·m)^-0.75, where m is the sum of the squares of the 3x3 elements around x.")
	alpha, k := s.Broadcast(simd.Arg("alpha")), s.Broadcast(simd.Arg("k"))
	s.boxes("x", true, []string{"y"}, func(sum, same reg.VecVirtual, at reg.Register, sel *simd.Mask) {
		w := s.fourthRoot(sum, alpha, k)
		s.cubeTimes(same, w)
		s.Store(same, address("y", at), sel)
	})

	s.Text("lrnWithin3Grad", "(dx, ratio, dy, x []float32, h, w int, alpha, k float32)",
		"is lrnGrad with the m of lrnWithin3.")
	alpha, k = s.Broadcast(simd.Arg("alpha")), s.Broadcast(simd.Arg("k"))
	s.boxes("x", true, []string{"dx", "dy"}, func(sum, same reg.VecVirtual, at reg.Register, sel *simd.Mask) {
		w := s.fourthRoot(sum, alpha, k)
		dx := s.Load(address("dy", at), sel)
		s.cubeTimes(dx, w)
		s.Store(dx, address("dx", at), sel)
		VMULPS(dx, same, same)
		VMULPS(w, w, w)
		VMULPS(w, w, w)
		VMULPS(w, same, same)
		s.Store(same, address("ratio", at), sel)
	})

	s.Text("lrnWithin3Spread", "(dx, x, ratio []float32, h, w int, alpha float32)",
		"adds alpha·x·(the sum of the 3x3 elements of ratio around) to dx.")
	alpha = s.Broadcast(simd.Arg("alpha"))
	s.boxes("ratio", false, nil, func(sum, _ reg.VecVirtual, at reg.Register, sel *simd.Mask) {
		x, to := s.Load(address("x", at), sel), address("dx", at)
		dx := s.Load(to, sel)
		VMULPS(alpha, x, x)
		VFMADD231PS(x, sum, dx)
		s.Store(dx, to, sel)
	})
}
