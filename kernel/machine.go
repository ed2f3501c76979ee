package kernel

import (
	"time"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

// Variant returns the instructions that the functions use on this machine:
// "avx512", "avx2", "neon" or "generic".
func Variant() string { return cpu.Active().String() }

// PeakFlops measures, for about 50 ms, how many floating-point operations the
// pool's threads can compute, in GFLOP/s: multiply-adds in registers, the bound
// on the speed of Gemm and Conv.
func PeakFlops(p *parallel.Pool) float64 { return gemm.PeakFlops(p) }

// PeakBandwidth measures, for about 50 ms, how fast the pool's threads together
// read and write memory, in GB/s, by scaling one slice into another: the bound on
// the speed of an element-wise layer whose blobs are larger than the caches.
// Reads that the processor makes in order to write are not counted.
func PeakBandwidth(p *parallel.Pool) float64 {
	const n = 8 << 20 // 32 MB a slice
	x, y := make([]float32, n), make([]float32, n)
	Fill(p, 1, x)
	Fill(p, 0, y) // touch the pages before the clock starts
	var best time.Duration
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
		start := time.Now()
		Scale(p, 2, x, y)
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return 2 * 4 * n / best.Seconds() / 1e9
}
