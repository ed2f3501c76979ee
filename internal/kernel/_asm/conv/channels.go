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
	s.Text("channels", "(tiles, taps int, x *float32, pixels, off *int32, w, bias, y *float32, to *int32)", "is a channelsFunc.")
	tiles := Load(Param("tiles"), GP64())
	pixel := Load(Param("pixels"), GP64())
	y := Load(Param("y"), GP64())
	to := Load(Param("to"), GP64())
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
		MOVLQSX(Mem{Base: to, Disp: 4 * i}, o)
		VMOVUPS(r, Mem{Base: y, Index: o, Scale: 4})
	}
	ADDQ(Imm(4*channelPixels), to)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	simd.Ret()
}

// channelTaps is the number of taps of channelsGrad: those of a 3x3 kernel.
const channelTaps = 9

// channelsGrad writes the gradient of some taps of the weights of the lanes of vectors.
func (s *set) channelsGrad() {
	s.Text("channelsGrad", "(n int, x *float32, pixels, off *int32, dy, sums *float32)", "is a channelsGradFunc.")
	n := Load(Param("n"), GP64())
	pixel := Load(Param("pixels"), GP64())
	dy := Load(Param("dy"), GP64())
	sums := Load(Param("sums"), GP64())
	x := Load(Param("x"), GP64())
	off := Load(Param("off"), GP64())
	var at [channelTaps]reg.GPVirtual
	var sum [channelTaps]reg.VecVirtual
	for i := range sum {
		at[i], sum[i] = GP64(), s.Vec()
		MOVLQSX(Mem{Base: off, Disp: 4 * i}, at[i])
		LEAQ(Mem{Base: x, Index: at[i], Scale: 4}, at[i])
		VMOVUPS(Mem{Base: sums, Disp: i * s.Bytes()}, sum[i])
	}

	Label("pixel")
	o, d := GP64(), s.Vec()
	MOVLQSX(Mem{Base: pixel}, o)
	VMOVUPS(Mem{Base: dy}, d)
	for i, r := range sum {
		VFMADD231PS(Mem{Base: at[i], Index: o, Scale: 4}, d, r)
	}
	ADDQ(Imm(4), pixel)
	ADDQ(Imm(uint64(s.Bytes())), dy)
	DECQ(n)
	JNZ(LabelRef("pixel"))

	sums = Load(Param("sums"), GP64())
	for i, r := range sum {
		VMOVUPS(r, Mem{Base: sums, Disp: i * s.Bytes()})
	}
	simd.Ret()
}
