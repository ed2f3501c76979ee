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
	var peak float64
	fastest := [2]time.Duration{time.Hour, time.Hour}
	for range max(b.N, 3) {
		for i, pass := range []func() error{f.Forward, f.Backward} {
			used, start := cputime.Used(b), time.Now()
			rate := kernel.PeakFlops(pool)
			peak = max(peak, rate*time.Since(start).Seconds()/(cputime.Used(b)-used).Seconds())
			used = cputime.Used(b)
			if err := pass(); err != nil {
				b.Fatal(err)
			}
			fastest[i] = min(fastest[i], cputime.Used(b)-used)
		}
	}
	flops := 2 * float64(steps*streams) * 4 * units * 2 * units
	b.ReportMetric(100*flops/fastest[0].Seconds()/1e9/peak, "%peak-forward")
	b.ReportMetric(100*2*flops/fastest[1].Seconds()/1e9/peak, "%peak-backward")
	b.ReportMetric(peak, "GFLOP/s-peak")
}
