package conv

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

// channelPixels is the number of pixels of a tile of channels.
const channelPixels = 6

// channels writes the convolution of the lanes of vectors.
func (s *set) channels() {
	s.Text("channels", "(tiles, taps int, x *float32, pixels, off *int32, w, bias, y *float32)", "is a channelsFunc.")
	tiles := Load(Param("tiles"), GP64())
	pixel := Load(Param("pixels"), GP64())
	y := Load(Param("y"), GP64())
	var sum [channelPixels]reg.VecVirtual
	for i := range sum {
		sum[i] = s.Vec()
	}

	Label("tile")
	Comment("The sums begin with the bias, or with zero.")
	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JZ(LabelRef("zero"))
	for _, r := range sum {
		VMOVUPS(Mem{Base: bias}, r)
	}
	JMP(LabelRef("pixels"))
	Label("zero")
	for _, r := range sum {
		s.Clear(r)
	}

	Label("pixels")
	Comment("The addresses of the pixels.")
	x := Load(Param("x"), GP64())
	var at [channelPixels]reg.GPVirtual
	for i := range at {
		at[i] = GP64()
		MOVLQSX(Mem{Base: pixel, Disp: 4 * i}, at[i])
		LEAQ(Mem{Base: x, Index: at[i], Scale: 4}, at[i])
	}
	ADDQ(Imm(4*channelPixels), pixel)
	taps := Load(Param("taps"), GP64())
	off := Load(Param("off"), GP64())
	w := Load(Param("w"), GP64())

	Label("sum")
	o, wv := GP64(), s.Vec()
	MOVLQSX(Mem{Base: off}, o)
	VMOVUPS(Mem{Base: w}, wv)
	for i, r := range sum {
		VFMADD231PS(Mem{Base: at[i], Index: o, Scale: 4}, wv, r)
	}
	ADDQ(Imm(4), off)
	ADDQ(Imm(uint64(s.Bytes())), w)
	DECQ(taps)
	JNZ(LabelRef("sum"))

	for i, r := range sum {
		VMOVUPS(r, Mem{Base: y, Disp: i * s.Bytes()})
	}
	ADDQ(U32(uint32(channelPixels*s.Bytes())), y)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
}
