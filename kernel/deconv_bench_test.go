package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// BenchmarkDeconvolution times the gradient of the data of convolutions of 4x4 and stride
// 2, which is what a Deconvolution computes forward, and reports its speed relative to
// that of the convolution, which has as many multiply-adds. It takes the fastest of
// several runs of each, one after the other, so that a machine with other work does not
// change the ratio.
func BenchmarkDeconvolution(b *testing.B) {
	for _, c := range []struct{ batch, channels, outputs, in int }{
		{16, 64, 64, 32}, {16, 21, 21, 64}, {16, 128, 256, 16}, {4, 16, 32, 128},
	} {
		conv, err := kernel.NewConv(kernel.ConvParams{
			Batch: c.batch, Channels: c.channels, Outputs: c.outputs, Group: 1, In: []int{c.in, c.in},
			Kernel: []int{4, 4}, Pad: []int{1, 1}, Stride: []int{2, 2}, Dilation: []int{1, 1},
		})
		if err != nil {
			b.Fatal(err)
		}
		x, y := normal(c.batch*c.channels*c.in*c.in), normal(c.batch*c.outputs*c.in*c.in/4)
		weight, bias := normal(c.outputs*c.channels*16), normal(c.outputs)
		out, dx := make([]float32, len(y)), make([]float32, len(x))
		b.Run(fmt.Sprintf("%dx%dx%d-%d", c.batch, c.channels, c.in, c.outputs), func(b *testing.B) {
			p := parallel.NewPool(1)
			defer p.Close()
			forward := func() { conv.Forward(p, x, weight, bias, out) }
			data := func() { conv.BackwardData(p, weight, y, dx) }
			fast := fastest(b.N, forward, data)
			b.ReportMetric(2*float64(conv.MACs())/fast[1].Seconds()/1e9, "GFLOP/s")
			b.ReportMetric(fast[0].Seconds()/fast[1].Seconds(), "of-convolution")
		})
	}
}

// fastest returns the shortest time of each function in n rounds, and at least ten.
func fastest(n int, functions ...func()) []time.Duration {
	best := make([]time.Duration, len(functions))
	for round := range max(n, 10) + 1 {
		for i, f := range functions {
			start := time.Now()
			f()
			if took := time.Since(start); round == 1 || round > 1 && took < best[i] {
				best[i] = took // round 0 prepares
			}
		}
	}
	return best
}
