package kernel

import "time"

const (
	peakTime  = 50 * time.Millisecond
	peakParts = 16 // for each thread
)

// PeakFlops measures for about 50 ms how many floating point operations a
// second the threads of the pool can do, in GFLOP/s: multiply-adds that touch
// no memory. It is what Gemm and Conv are measured against.
func PeakFlops(p *Pool) float64 {
	u := &micros[active]
	n := 1000
	for {
		start := time.Now()
		p.Run(p.Threads()*peakParts, TaskFunc(func(_, _ int) { u.fmaLoop(n) }))
		t := time.Since(start)
		if t >= peakTime/2 {
			return float64(p.Threads()*peakParts) * float64(n) * float64(u.fmaFlops) / t.Seconds() / 1e9
		}
		// Grow by the time that is lacking, tenfold at most.
		n *= int(min(10, max(2, peakTime/max(t, 1))))
	}
}
