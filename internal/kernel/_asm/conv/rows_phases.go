package conv

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// rowsPhases writes the gradient of the data of a kernel of 3x3 with strides of 2.
func (s *set) rowsPhases() {
	s.Text("rowsPhases", "(rows, strips int, at *int32, x *float32, ldx int, w, y *float32, ldy int, next *float32)", "is a rowsPhasesFunc.")
	strips, at := Load(Param("strips"), GP64()), Load(Param("at"), GP64())
	ldx, ldy, next := bytesParam("ldx"), bytesParam("ldy"), Load(Param("next"), GP64())
	w := Load(Param("w"), GP64())
	var weights [3][3]reg.VecVirtual
	for ky := range weights {
		for kx := range weights[ky] {
			weights[ky][kx] = s.Broadcast(Mem{Base: w, Disp: 4 * (3*ky + kx)})
		}
	}
	join := s.joiner()
	even, odd := s.Vec(), s.Vec() // columns of the row of y below that of the iteration

	Label("strip")
	o, x, y := GP64(), Load(Param("x"), GP64()), Load(Param("y"), GP64())
	MOVLQSX(Mem{Base: at}, o)
	ADDQ(Imm(4), at)
	LEAQ(Mem{Base: x, Index: o, Scale: 4}, x)
	LEAQ(Mem{Base: y, Index: o, Scale: 8}, y)
	rows := Load(Param("rows"), GP64())
	load := func() (here, right reg.VecVirtual) {
		here, right = s.load(Mem{Base: x}), s.load(Mem{Base: x, Disp: 4})
		SUBQ(ldx, x)
		return here, right
	}
	add := func(ky int, here, right, even, odd reg.VecVirtual) {
		VFMADD231PS(here, weights[ky][1], even)
		VFMADD231PS(right, weights[ky][0], odd)
		VFMADD231PS(here, weights[ky][2], odd)
	}
	s.Clear(even)
	s.Clear(odd)
	here, right := load()
	add(0, here, right, even, odd)
	Label("row")
	s.fetch(next, 1)
	here, right = load()
	add(2, here, right, even, odd)
	join(even, odd, Mem{Base: y, Index: ldy, Scale: 1})
	a, b := s.Zero(), s.Zero()
	add(1, here, right, a, b)
	join(a, b, Mem{Base: y})
	s.Clear(even)
	s.Clear(odd)
	add(0, here, right, even, odd)
	SUBQ(ldy, y)
	SUBQ(ldy, y)
	DECQ(rows)
	JNZ(LabelRef("row"))
	DECQ(strips)
	JNZ(LabelRef("strip"))
	simd.Ret()
}

// joiner returns what stores the elements of two vectors in turn.
func (s *set) joiner() func(even, odd reg.VecVirtual, to Mem) {
	if !s.Wide {
		return func(even, odd reg.VecVirtual, to Mem) { joinPairs(even, odd, to) }
	}
	var lists [2][]uint32
	for i := range lists {
		for lane := range uint32(8) {
			lists[i] = append(lists[i], 8*uint32(i)+lane, 16+8*uint32(i)+lane)
		}
	}
	lower, upper := s.load(simd.Words("joinLower", lists[0]...)), s.load(simd.Words("joinUpper", lists[1]...))
	return func(even, odd reg.VecVirtual, to Mem) {
		first, second := s.Copy(even), s.Copy(even)
		VPERMT2PS(odd, lower, first)
		VMOVUPS(first, to)
		VPERMT2PS(odd, upper, second)
		VMOVUPS(second, to.Offset(64))
	}
}
