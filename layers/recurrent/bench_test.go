//go:build unix

package recurrent_test

import (
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/cputime"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
)

// BenchmarkLSTM times both passes of an LSTM of 1,000 units with as many inputs, batch 20
// and 80 steps, on one thread, and reports their share of the peak, which is measured
// beside every pass. Times are those of the processor and the fastest of several, so that
// a machine with other work changes the shares little.
func BenchmarkLSTM(b *testing.B) {
	const steps, streams, units = 80, 20, 1000
	pool := parallel.NewPool(1)
	defer pool.Close()
	f, err := layertest.SetUp(&layers.Env{Workers: pool}, recurrent("LSTM", units, "", 2, 1),
		layertest.Gaussian(1, steps, streams, units), cont(steps, streams))
	if err != nil {
		b.Fatal(err)
	}
	f.Propagate[0] = true
	var peak, rate float64
	weights := make([]float32, 4*units*units)
	for i := range weights {
		weights[i] = 1 // or its pages would all be the system's page of zeros
	}
	fastest := [2]time.Duration{time.Hour, time.Hour}
	for range max(b.N, 3) {
		for i, pass := range []func() error{f.Forward, f.Backward} {
			used, start := cputime.Used(b), time.Now()
			flops := kernel.PeakFlops(pool)
			peak = max(peak, flops*time.Since(start).Seconds()/(cputime.Used(b)-used).Seconds())
			rate = max(rate, readRate(b, weights))
			used = cputime.Used(b)
			if err := pass(); err != nil {
				b.Fatal(err)
			}
			fastest[i] = min(fastest[i], cputime.Used(b)-used)
		}
	}
	flops := 2 * float64(steps*streams) * 4 * units * units / 1e9 // of the steps, or of one product over all of them
	least := max(flops/peak, steps*4*float64(len(weights))/1e9/rate)
	b.ReportMetric(100*2*flops/fastest[0].Seconds()/peak, "%peak-forward")
	b.ReportMetric(100*4*flops/fastest[1].Seconds()/peak, "%peak-backward")
	b.ReportMetric(100*(least+flops/peak)/fastest[0].Seconds(), "%bound-forward")
	b.ReportMetric(100*(least+3*flops/peak)/fastest[1].Seconds(), "%bound-backward")
	b.ReportMetric(peak, "GFLOP/s-peak")
	b.ReportMetric(rate, "GB/s-weights")
}

// readRate returns the rate in GB/s at which one thread reads x.
func readRate(b *testing.B, x []float32) float64 {
	const line = 16
	var sum float32
	used := cputime.Used(b)
	const times = 4
	for range times {
		for y := x; len(y) >= line; y = y[line:] {
			sum += y[0]
		}
	}
	if sum != float32(times*len(x)/line) {
		b.Fatal("the sum is wrong")
	}
	return times * 4 * float64(len(x)) / 1e9 / (cputime.Used(b) - used).Seconds()
}
