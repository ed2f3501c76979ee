//go:build !noasm

package gemm

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// micros holds the micro-kernels of each level.
var micros = [...]*Micro{
	cpu.Generic: &generic,
	cpu.NEON:    &generic,
}
