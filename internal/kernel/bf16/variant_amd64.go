//go:build !noasm

package bf16

import (
	xcpu "golang.org/x/sys/cpu"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
)

var avx512 = Micro{
	Name: "avx512_bf16",
	blocks: [2][2]BlockFunc{
		{blockAVX512_1x1, blockAVX512_1x2},
		{blockAVX512_2x1, blockAVX512_2x2},
	},
	round:     roundAVX512,
	pair:      pairAVX512,
	copyLines: copyLinesAVX512,
}

// amx multiplies with AMX; it converts as avx512 does.
var amx = func() Micro {
	u := avx512
	u.Name = "amx_bf16"
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
