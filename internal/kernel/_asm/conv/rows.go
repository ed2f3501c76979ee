package conv

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// rowSizes returns the sizes of kernels whose weights and sums the registers hold.
func (s *set) rowSizes() []int {
	if s.Wide {
		return []int{3, 5}
	}
	return []int{3}
}

// columns loads the offsets of the columns of a kernel.
func columns(kernel int) []reg.GPVirtual {
	cols := make([]reg.GPVirtual, kernel)
	table := Load(Param("cols"), GP64())
	for i := range cols {
		cols[i] = GP64()
		MOVLQSX(Mem{Base: table, Disp: 4 * i}, cols[i])
	}
	return cols
}

// strip begins a strip: it returns pointers to its first elements in both arguments.
func strip(at reg.Register, x, y string) (px, py reg.GPVirtual) {
	px, py = GP64(), GP64()
	o := GP64()
	MOVLQSX(Mem{Base: at}, o)
	ADDQ(Imm(4), at)
	Load(Param(x), px)
	LEAQ(Mem{Base: px, Index: o, Scale: 4}, px)
	Load(Param(y), py)
	LEAQ(Mem{Base: py, Index: o, Scale: 4}, py)
	return px, py
}

// fetch brings some vectors of memory to the second cache, and has the pointer follow them.
func (s *set) fetch(next reg.Register, vectors int) {
	for i := 0; i < vectors*s.Bytes(); i += 64 {
		PREFETCHT1(Mem{Base: next, Disp: i})
	}
	ADDQ(U32(uint32(vectors*s.Bytes())), next)
}

// rows writes the convolution of rows of a plane.
func (s *set) rows(kernel, stride int) {
	s.Text(fmt.Sprintf("rows%dStep%d", kernel, stride),
		"(rows, strips int, at *int32, x *float32, ldx int, cols *int32, w, bias, y *float32, ldy int, next *float32)", "is a rowsFunc.")
	strips, at := Load(Param("strips"), GP64()), Load(Param("at"), GP64())
	ldx, ldy := bytesParam("ldx"), bytesParam("ldy")
	bias, w := Load(Param("bias"), GP64()), Load(Param("w"), GP64())
	cols, next := columns(kernel), Load(Param("next"), GP64())
	sums := make([]reg.VecVirtual, (kernel-1)/stride+1) // of the next rows of y
	for i := range sums {
		sums[i] = s.Vec()
	}
	weights := make([]reg.VecVirtual, kernel*kernel)
	for i := range weights {
		weights[i] = s.Broadcast(Mem{Base: w, Disp: 4 * i})
	}

	Label("strip")
	x, y := strip(at, "x", "y")
	rows := Load(Param("rows"), GP64())
	// meet adds row i of x, counted from the first that sums[0] needs.
	meet := func(i int) {
		if i%stride == 0 {
			VBROADCASTSS(Mem{Base: bias}, sums[i/stride])
		}
		for kx := range kernel {
			v := s.load(Mem{Base: x, Index: cols[kx], Scale: 4})
			for out := range sums {
				if ky := i - out*stride; ky >= 0 {
					VFMADD231PS(v, weights[ky*kernel+kx], sums[out])
				}
			}
		}
		ADDQ(ldx, x)
	}
	for i := range kernel - stride {
		meet(i)
	}
	Label("row")
	for i := kernel - stride; i < kernel; i++ {
		meet(i)
	}
	s.fetch(next, stride*stride)
	VMOVUPS(sums[0], Mem{Base: y})
	for i := range len(sums) - 1 {
		VMOVAPS(sums[i+1], sums[i])
	}
	ADDQ(ldy, y)
	DECQ(rows)
	JNZ(LabelRef("row"))
	DECQ(strips)
	JNZ(LabelRef("strip"))
	simd.Ret()
}

// rowsGrad writes the gradient of the weights of such a convolution.
func (s *set) rowsGrad(kernel, stride int) {
	s.Text(fmt.Sprintf("rowsGrad%dStep%d", kernel, stride),
		"(rows, strips int, at *int32, masks *uint32, x *float32, ldx int, cols *int32, dy *float32, ldy int, sums, next, nextDY *float32)", "is a rowsGradFunc.")
	strips, at := Load(Param("strips"), GP64()), Load(Param("at"), GP64())
	masks := Load(Param("masks"), GP64())
	ldx, ldy := bytesParam("ldx"), bytesParam("ldy")
	cols, next, nextDY := columns(kernel), Load(Param("next"), GP64()), Load(Param("nextDY"), GP64())
	total := Load(Param("sums"), GP64())
	sums := make([]reg.VecVirtual, kernel*kernel)
	for i := range sums {
		sums[i] = s.load(Mem{Base: total, Disp: i * s.Bytes()})
	}
	before := make([]reg.VecVirtual, (kernel-1)/stride+1) // before[m] is the m-th row of dy before the next one

	Label("strip")
	x, dy := strip(at, "x", "dy")
	rows := Load(Param("rows"), GP64())
	mask := s.load(Mem{Base: masks})
	ADDQ(Imm(uint64(s.Bytes())), masks)
	for m := range before {
		before[m] = s.Vec()
		if m > 0 {
			s.Clear(before[m])
		}
	}
	// meet adds row i of x, counted from the first that before[0] needs, for the rows from m on.
	meet := func(i, first int) {
		for kx := range kernel {
			v := s.load(Mem{Base: x, Index: cols[kx], Scale: 4})
			for m := first; m < len(before); m++ {
				if ky := i + m*stride; ky < kernel {
					VFMADD231PS(v, before[m], sums[ky*kernel+kx])
				}
			}
		}
		ADDQ(ldx, x)
	}
	Label("row")
	if s.Wide {
		VPANDD(Mem{Base: dy}, mask, before[0])
	} else {
		VANDPS(Mem{Base: dy}, mask, before[0])
	}
	s.fetch(next, stride*stride)
	s.fetch(nextDY, 1)
	for i := range stride {
		meet(i, 0)
	}
	for m := len(before) - 1; m > 0; m-- {
		VMOVAPS(before[m-1], before[m])
	}
	ADDQ(ldy, dy)
	DECQ(rows)
	JNZ(LabelRef("row"))
	for i := range kernel - stride {
		meet(i, 1)
	}
	DECQ(strips)
	JNZ(LabelRef("strip"))
	total = Load(Param("sums"), GP64())
	for i, r := range sums {
		VMOVUPS(r, Mem{Base: total, Disp: i * s.Bytes()})
	}
	simd.Ret()
}

// stream writes a copy past the caches.
func (s *set) stream() {
	s.Text("stream", "(lines int, src, dst *float32)", "is a streamFunc.")
	lines := Load(Param("lines"), GP64())
	src, dst := Load(Param("src"), GP64()), Load(Param("dst"), GP64())
	Label("line")
	for i := 0; i < 64; i += s.Bytes() {
		VMOVNTPS(s.load(Mem{Base: src, Disp: i}), Mem{Base: dst, Disp: i})
	}
	ADDQ(Imm(64), src)
	ADDQ(Imm(64), dst)
	DECQ(lines)
	JNZ(LabelRef("line"))
	simd.Ret()
}
