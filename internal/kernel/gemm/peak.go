package gemm

import (
	"time"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	peakTime  = 50 * time.Millisecond
	peakParts = 16 // for each thread
)

// PeakFlops measures for about 50 ms how many floating-point operations a second
// the threads of the pool can do, in GFLOP/s: multiply-adds that touch no memory.
// Gemm and convolutions are measured against it.
func PeakFlops(p *parallel.Pool) float64 {
	u := Active()
	n := 1000
	for {
		start := time.Now()
		p.Run(p.Threads()*peakParts, parallel.TaskFunc(func(_, _ int) { u.fmaLoop(n) }))
		t := time.Since(start)
		if t >= peakTime/2 {
			return float64(p.Threads()*peakParts) * float64(n) * float64(u.fmaFlops) / t.Seconds() / 1e9
		}
		// Grow by the time that is lacking, tenfold at most.
		n *= int(min(10, max(2, peakTime/max(t, 1))))
	}
}
