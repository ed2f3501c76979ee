package gemm

import (
	"time"

	"github.com/gocaffe/gocaffe/parallel"
)

const (
	peakTime  = 50 * time.Millisecond
	peakParts = 16 // for each thread
)

// PeakFlops measures for about 50 ms the peak rate of the pool's threads in GFLOP/s,
// with multiply-adds that do not access memory. Gemm and convolutions are compared with
// it.
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
		// Grow by the missing time, at most tenfold.
		n *= int(min(10, max(2, peakTime/max(t, 1))))
	}
}
