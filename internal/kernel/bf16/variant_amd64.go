//go:build !noasm

package bf16

import (
	"unsafe"

	xcpu "golang.org/x/sys/cpu"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
)

var avx512 = Micro{
	Name:  "avx512_bf16",
	Speed: 2,
	blocks: [2][2]BlockFunc{
		{blockAVX512(1, rowsAVX512_1), blockAVX512(1, rowsAVX512_2)},
		{blockAVX512(2, rowsAVX512_1), blockAVX512(2, rowsAVX512_2)},
	},
	round:     roundAVX512,
	pair:      pairAVX512,
	copyLines: copyLinesAVX512,
}

// blockAVX512 returns the BlockFunc of some panels of A. rows computes groupRows rows of it.
func blockAVX512(panels int, rows func(k int, a *byte, offA *int32, lda int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool)) BlockFunc {
	const groupRows = 8
	return func(k int, a *byte, offA *int32, lda, stepA int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool) {
		for i := 0; i < panels*Side; i += groupRows {
			from := unsafe.Add(unsafe.Pointer(a), i/Side*stepA+i%Side*lda)
			rows(k, (*byte)(from), offA, lda, b, offB, ldb, stepB, (*float32)(unsafe.Add(unsafe.Pointer(c), 4*i*ldc)), ldc, add)
		}
	}
}

// amx multiplies with AMX; it converts as avx512 does.
var amx = func() Micro {
	u := avx512
	u.Name, u.Speed = "amx_bf16", 7
	u.blocks = [2][2]BlockFunc{
		{blockAMX_1x1, blockAMX_1x2},
		{blockAMX_2x1, blockAMX_2x2},
	}
	return u
}()

// native returns the variants in assembly that the machine can run, the fastest first, or an
// error that says what it lacks.
func native() ([]*Micro, error) {
	var missing []string
	if cpu.Best() < cpu.AVX512 {
		missing = append(missing, "AVX-512 (F, BW, DQ and VL)")
	}
	if !xcpu.X86.HasAVX512BF16 {
		missing = append(missing, "AVX512_BF16")
	}
	if len(missing) > 0 {
		return nil, lacking(missing)
	}
	if xcpu.X86.HasAMXTile && xcpu.X86.HasAMXBF16 && tilesPermitted() {
		return []*Micro{&amx, &avx512}, nil
	}
	return []*Micro{&avx512}, nil
}
