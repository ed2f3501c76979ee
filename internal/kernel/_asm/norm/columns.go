package norm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// columnSums writes the loop that sums some columns over all rows, then the next columns. Half a
// vector of float32 makes a vector of float64.
func (s *set) columnSums() {
	s.Text("columnSums", "(a, b []float32, stride, rows int, sum, dot []float64)", "is columnSumsGeneric.")
	a, b := Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	sum, dot := Load(Param("sum").Base(), GP64()), Load(Param("dot").Base(), GP64())
	n := Load(Param("sum").Len(), GP64())
	stride := Load(Param("stride"), GP64())
	SHLQ(U8(2), stride)
	half := s.Lanes / 2
	columns := func(label string, count int, sel, doubles *simd.Mask) {
		var sums, dots []reg.VecVirtual
		for range count {
			sums, dots = append(sums, s.Zero()), append(dots, s.Zero())
		}
		rowA, rowB, left := GP64(), GP64(), GP64()
		MOVQ(a, rowA)
		MOVQ(b, rowB)
		Load(Param("rows"), left)
		Label(label)
		for u := range count {
			load := func(row reg.Register) reg.VecVirtual {
				at, v := Mem{Base: row, Disp: 4 * half * u}, s.Vec()
				if sel == nil {
					VCVTPS2PD(at, v)
				} else {
					h := s.Half()
					s.LoadTo(at, sel, h)
					VCVTPS2PD(h, v)
				}
				return v
			}
			v, w := load(rowA), load(rowB)
			VADDPD(v, sums[u], sums[u])
			VFMADD231PD(v, w, dots[u])
		}
		ADDQ(stride, rowA)
		ADDQ(stride, rowB)
		DECQ(left)
		JNZ(LabelRef(label))
		for u := range count {
			for i, v := range []reg.VecVirtual{sums[u], dots[u]} {
				m := Mem{Base: []reg.Register{sum, dot}[i], Disp: 8 * half * u}
				switch {
				case sel == nil:
					VMOVUPD(v, m)
				case s.Wide:
					VMOVUPD(v, doubles.K, m)
				default:
					VMASKMOVPD(v, doubles.V, m)
				}
			}
		}
	}
	for _, count := range []int{4, 1} {
		again, end := fmt.Sprintf("by%d", count), fmt.Sprintf("by%dEnd", count)
		Label(again)
		CMPQ(n, I32(count*half))
		JL(LabelRef(end))
		columns(fmt.Sprintf("rows%d", count), count, nil, nil)
		for _, p := range []reg.Register{a, b} {
			ADDQ(I32(4*count*half), p)
		}
		for _, p := range []reg.Register{sum, dot} {
			ADDQ(I32(8*count*half), p)
		}
		SUBQ(I32(count*half), n)
		JMP(LabelRef(again))
		Label(end)
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	columns("rowsRest", 1, s.Mask(n, 0), s.doubleMask(n, 0))
	Label("done")
	simd.Ret()
}
