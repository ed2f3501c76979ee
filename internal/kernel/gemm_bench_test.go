package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// report adds GFLOP/s and the percentage of the peak to a benchmark of flops
// operations a turn.
func report(b *testing.B, peak, flops float64) {
	rate := flops * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(rate, "GFLOP/s")
	b.ReportMetric(100*rate/peak, "%peak")
}

// fillNormal fills s with normally distributed numbers.
func fillNormal(r *rand.Rand, s []float32) {
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
}

// benchThreads runs a benchmark on 1 and 2 threads.
func benchThreads(b *testing.B, flops float64, f func(p *Pool)) {
	for threads := 1; threads <= 2; threads++ {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			p := NewPool(threads)
			defer p.Close()
			f(p)
			peak := PeakFlops(p)
			b.ResetTimer()
			for range b.N {
				f(p)
			}
			b.StopTimer()
			peak = max(peak, PeakFlops(p))
			report(b, peak, flops)
		})
	}
}

// BenchmarkConv times the convolutions of LiuNet for CIFAR-10 at batch 128 and
// some of other nets.
func BenchmarkConv(b *testing.B) {
	for _, params := range []ConvParams{
		square(128, 3, 64, 1, 32, 3, 1, 1, 1),
		square(128, 64, 64, 1, 32, 3, 1, 1, 1),
		square(128, 64, 128, 1, 16, 3, 1, 1, 1),
		square(128, 128, 128, 1, 16, 3, 1, 1, 1),
		square(128, 128, 256, 1, 8, 3, 1, 1, 1),
		square(128, 256, 256, 1, 8, 3, 1, 1, 1),
		square(64, 1, 20, 1, 28, 5, 0, 1, 1),
		square(64, 20, 50, 1, 12, 5, 0, 1, 1),
		square(100, 32, 32, 1, 16, 5, 2, 1, 1),
		square(16, 3, 96, 1, 227, 11, 0, 4, 1),
		square(16, 96, 256, 2, 27, 5, 2, 1, 1),
		square(16, 256, 64, 1, 28, 1, 0, 1, 1),
		square(16, 64, 128, 1, 28, 3, 1, 2, 1),
	} {
		c, err := NewConv(params)
		if err != nil {
			b.Fatal(err)
		}
		x := make([]float32, params.Batch*params.Channels*size(params.In))
		y := make([]float32, params.Batch*params.Outputs*size(c.out))
		weight := make([]float32, params.Outputs*params.Channels/params.Group*c.taps)
		bias := make([]float32, params.Outputs)
		r := rand.New(rand.NewPCG(1, 1))
		fillNormal(r, x)
		fillNormal(r, weight)
		fillNormal(r, bias)
		flops := 2 * float64(c.MACs())
		name := fmt.Sprintf("%dx%dx%d-%d,k=%d,s=%d", params.Batch, params.Channels, params.In[0], params.Outputs, params.Kernel[0], params.Stride[0])
		b.Run(name+"/forward", func(b *testing.B) {
			benchThreads(b, flops, func(p *Pool) { c.Forward(p, x, weight, bias, y) })
		})
		b.Run(name+"/data", func(b *testing.B) {
			benchThreads(b, flops, func(p *Pool) { c.BackwardData(p, y, weight, x) })
		})
		fillNormal(r, x)
		b.Run(name+"/weights", func(b *testing.B) {
			benchThreads(b, flops, func(p *Pool) { clear(weight); c.BackwardWeights(p, x, y, weight, bias) })
		})
	}
}

// BenchmarkGemm times the products of inner product layers: forward, gradient
// of the weights, gradient of the data; and squares.
func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		m, n, k        int
		transA, transB bool
	}{
		{64, 500, 800, false, true},
		{500, 800, 64, true, false},
		{64, 800, 500, false, false},
		{256, 4096, 9216, false, true},
		{128, 256, 4096, false, true},
		{256, 4096, 128, true, false},
		{128, 4096, 256, false, false},
		{128, 10, 256, false, true},
		{10, 256, 128, true, false},
		{32, 32, 32, false, false},
		{1000, 1000, 1000, false, false},
	} {
		a, x, y := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n)
		r := rand.New(rand.NewPCG(1, 1))
		fillNormal(r, a)
		fillNormal(r, x)
		lda, ldb := s.k, s.n
		if s.transA {
			lda = s.m
		}
		if s.transB {
			ldb = s.k
		}
		b.Run(fmt.Sprintf("%dx%dx%d,%v,%v", s.m, s.n, s.k, s.transA, s.transB), func(b *testing.B) {
			benchThreads(b, 2*float64(s.m)*float64(s.n)*float64(s.k), func(p *Pool) {
				Gemm(p, s.transA, s.transB, s.m, s.n, s.k, 1, a, lda, x, ldb, 0, y, s.n)
			})
		})
	}
}
