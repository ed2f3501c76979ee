package kernel

import "time"

// PeakBandwidth measures how fast the pool's threads together read and write
// memory, in GB/s, by scaling a slice into another for about 50 ms: the rate
// that an element-wise layer on a blob larger than the caches cannot exceed.
// What the processor reads of a line before it writes it is not counted.
func PeakBandwidth(p *Pool) float64 {
	const n = 8 << 20 // 32 MB a slice
	x, y := make([]float32, n), make([]float32, n)
	FillP(p, x, 1)
	FillP(p, y, 0) // touch the pages before the clock starts
	var best time.Duration
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
		start := time.Now()
		ScaleP(p, 2, x, y)
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return 2 * 4 * n / best.Seconds() / 1e9
}
