package kernel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/sysmem"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// normal returns n normally distributed elements, in huge pages, as blobs are.
func normal(n int) []float32 {
	s := sysmem.Floats(n)
	kernel.PhiloxGaussian(nil, 1, 1, 0, 0, 1, s)
	return s
}

// A peak is measured again when it is older than a second.
type peak struct {
	rate float64
	at   time.Time
}

// of returns the peak that measure finds for a pool, now or less than a second ago.
func (k *peak) of(p *parallel.Pool, measure func(*parallel.Pool) float64) float64 {
	if time.Since(k.at) > time.Second {
		k.rate, k.at = measure(p), time.Now()
	}
	return k.rate
}

// mostThreads is how many threads the benchmarks use.
const mostThreads = 2

// flopPeaks and bytePeaks are the peaks of 1 thread and so on.
var flopPeaks, bytePeaks [mostThreads]peak

// benchFlops times a function of so many floating-point operations on 1 and 2
// threads, and reports GFLOP/s and their share of the peak, which is measured
// before and after, at most once a second.
func benchFlops(b *testing.B, flops float64, f func(p *parallel.Pool)) {
	for threads := 1; threads <= mostThreads; threads++ {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			p := parallel.NewPool(threads)
			defer p.Close()
			f(p)
			most := flopPeaks[threads-1].of(p, kernel.PeakFlops)
			b.ResetTimer()
			for range b.N {
				f(p)
			}
			b.StopTimer()
			most = max(most, flopPeaks[threads-1].of(p, kernel.PeakFlops))
			rate := flops * float64(b.N) / b.Elapsed().Seconds() / 1e9
			b.ReportMetric(rate, "GFLOP/s")
			b.ReportMetric(100*rate/most, "%peak")
		})
	}
}

// A memoryCase is a function whose speed is bounded by memory.
type memoryCase struct {
	name  string
	bytes float64 // read and written, each array once
	run   func(p *parallel.Pool)
}

// benchBytes times functions on 1 and 2 threads, with caches as warm as they can
// be, and reports the median rate in GB/s and its share of PeakBandwidth.
func benchBytes(b *testing.B, cases []memoryCase) {
	for threads := 1; threads <= mostThreads; threads++ {
		p := parallel.NewPool(threads)
		defer p.Close()
		for _, c := range cases {
			b.Run(fmt.Sprintf("%s/threads=%d", c.name, threads), func(b *testing.B) {
				most := bytePeaks[threads-1].of(p, kernel.PeakBandwidth)
				var times []time.Duration
				for range b.N {
					start := time.Now()
					c.run(p)
					times = append(times, time.Since(start))
				}
				slices.Sort(times)
				rate := c.bytes / times[len(times)/2].Seconds() / 1e9
				b.ReportMetric(rate, "GB/s")
				b.ReportMetric(100*rate/most, "%peak")
			})
		}
	}
}

// pooled returns the parameters of a pooling of squares with Caffe's output sizes,
// which are rounded up.
func pooled(planes, side, kernelSize, stride int) kernel.PoolParams {
	out := (side-kernelSize+stride-1)/stride + 1
	return kernel.PoolParams{Planes: planes, H: side, W: side, OutH: out, OutW: out,
		KernelH: kernelSize, KernelW: kernelSize, StrideH: stride, StrideW: stride}
}

// same returns the parameters of a pooling of squares whose output has the size of the input.
func same(planes, side, kernelSize int) kernel.PoolParams {
	pad := kernelSize / 2
	return kernel.PoolParams{Planes: planes, H: side, W: side, OutH: side, OutW: side,
		KernelH: kernelSize, KernelW: kernelSize, PadH: pad, PadW: pad, StrideH: 1, StrideW: 1}
}

// poolCases returns forward and backward pass of a pooling.
func poolCases(name string, g kernel.PoolParams, ave bool) []memoryCase {
	x, dx := normal(g.Planes*g.H*g.W), make([]float32, g.Planes*g.H*g.W)
	y, mask := make([]float32, g.Planes*g.OutH*g.OutW), make([]int32, g.Planes*g.OutH*g.OutW)
	in, out := 4*float64(len(x)), 4*float64(len(y))
	if ave {
		return []memoryCase{
			{name + "/forward", in + out, func(p *parallel.Pool) { kernel.AvePoolForward(p, g, x, y) }},
			{name + "/backward", in + out, func(p *parallel.Pool) { kernel.AvePoolBackward(p, g, y, dx) }},
		}
	}
	kernel.MaxPoolForward(nil, g, x, y, mask)
	return []memoryCase{
		{name + "/forward", in + 2*out, func(p *parallel.Pool) { kernel.MaxPoolForward(p, g, x, y, mask) }},
		{name + "/backward", in + 2*out, func(p *parallel.Pool) { kernel.MaxPoolBackward(p, g, mask, y, dx) }},
	}
}

func lrnCases(name string, n, c, side int) []memoryCase {
	s := side * side
	x, dy, y := normal(n*c*s), normal(n*c*s), make([]float32, n*c*s)
	bytes := 4 * float64(n*c*s)
	if strings.HasPrefix(name, "LRNWithin") {
		return []memoryCase{
			{name + "/forward", 2 * bytes, func(p *parallel.Pool) { kernel.LRNWithinForward(p, n*c, side, side, 3, 5e-5, 0.75, x, y) }},
			{name + "/backward", 3 * bytes, func(p *parallel.Pool) { kernel.LRNWithinBackward(p, n*c, side, side, 3, 5e-5, 0.75, x, dy, y) }},
		}
	}
	return []memoryCase{
		{name + "/forward", 2 * bytes, func(p *parallel.Pool) { kernel.LRNForward(p, n, c, s, 5, 1e-4, 0.75, 1, x, y) }},
		{name + "/backward", 3 * bytes, func(p *parallel.Pool) { kernel.LRNBackward(p, n, c, s, 5, 1e-4, 0.75, 1, x, dy, y) }},
	}
}

// updateCases update weights as large as AlexNet's third from the last layer.
func updateCases() (cases []memoryCase) {
	const n = 4096 * 9216
	var s [4][]float32
	for i := range s {
		s[i] = make([]float32, n)
		kernel.Fill(nil, 1, s[i])
	}
	u := kernel.Update{Param: s[0], Diff: s[1], History: s[2], History2: s[3], Clip: 1, Normalize: 1, Decay: 5e-4, Rate: 1e-9, Momentum: 0.9, Momentum2: 0.999, Delta: 1}
	for _, rule := range []kernel.Rule{kernel.SGD, kernel.Adam} {
		u.Rule = rule
		passes := 6
		if rule == kernel.Adam {
			passes = 8
		}
		u := u
		cases = append(cases, memoryCase{fmt.Sprintf("Update/AlexNet4096x9216/%d", rule), float64(4 * n * passes), func(p *parallel.Pool) { u.Run(p) }})
	}
	return cases
}

// BenchmarkNets times layers of LeNet, CIFAR-10 quick and full, AlexNet and LiuNet.
func BenchmarkNets(b *testing.B) {
	benchBytes(b, slices.Concat(
		poolCases("MaxPool/LeNet64x20x24x24", pooled(64*20, 24, 2, 2), false),
		poolCases("MaxPool/LeNet64x50x8x8", pooled(64*50, 8, 2, 2), false),
		poolCases("MaxPool/LiuNet128x64x32x32", pooled(128*64, 32, 2, 2), false),
		poolCases("MaxPool/CIFAR100x32x32x32", pooled(100*32, 32, 3, 2), false),
		poolCases("AvePool/CIFAR100x32x16x16", pooled(100*32, 16, 3, 2), true),
		poolCases("AvePool/CIFAR100x64x8x8", pooled(100*64, 8, 3, 2), true),
		poolCases("AvePool/Global128x256x8x8", pooled(128*256, 8, 8, 1), true),
		poolCases("MaxPool/AlexNet16x96x55x55", pooled(16*96, 55, 3, 2), false),
		poolCases("MaxPool/AlexNet16x256x27x27", pooled(16*256, 27, 3, 2), false),
		poolCases("MaxPool/AlexNet16x256x13x13", pooled(16*256, 13, 3, 2), false),
		poolCases("MaxPool/GoogLeNet8x256x28x28", same(8*256, 28, 3), false),
		poolCases("MaxPool/GoogLeNet8x512x14x14", same(8*512, 14, 3), false),
		poolCases("MaxPool/GoogLeNet8x832x7x7", same(8*832, 7, 3), false),
		lrnCases("LRN/AlexNet16x96x55x55", 16, 96, 55),
		lrnCases("LRN/AlexNet16x256x27x27", 16, 256, 27),
		lrnCases("LRNWithin/CIFAR100x32x16x16", 100, 32, 16),
		lrnCases("LRNWithin/CIFAR100x32x8x8", 100, 32, 8),
		updateCases(),
	))
}

// BenchmarkFunctions times functions on the blob behind the first convolutions of
// LiuNet: batch 128, 64 planes of 32x32, 33.6 MB.
func BenchmarkFunctions(b *testing.B) {
	const n, c, s = 128, 64, 32 * 32
	x, y, z, w := normal(n*c*s), normal(n*c*s), normal(n*c*s), normal(n*c*s)
	scale, shift := normal(c), normal(c)
	sum, dot := make([]float64, c), make([]float64, c)
	norm := kernel.Norm{Eps: 1e-5, Factor: scale, Shift: shift}
	norm.Resize(n, c, s)
	var cases []memoryCase
	add := func(name string, blobs float64, run func(p *parallel.Pool)) {
		cases = append(cases, memoryCase{name, 4 * n * c * s * blobs, run})
	}
	add("Copy", 2, func(p *parallel.Pool) { kernel.Copy(p, x, y) })
	add("Fill", 1, func(p *parallel.Pool) { kernel.Fill(p, 1, y) })
	add("Scale", 2, func(p *parallel.Pool) { kernel.Scale(p, 2, x, y) })
	add("Axpy", 3, func(p *parallel.Pool) { kernel.Axpy(p, 0, x, y) })
	add("Add", 3, func(p *parallel.Pool) { kernel.Add(p, x, y, z) })
	add("ReLU", 2, func(p *parallel.Pool) { kernel.ReLU(p, 0, x, y) })
	add("ReLUBackward", 3, func(p *parallel.Pool) { kernel.ReLUBackward(p, 0, x, y, y) })
	add("Exp", 2, func(p *parallel.Pool) { kernel.Exp(p, x, z) })
	add("TanH", 2, func(p *parallel.Pool) { kernel.TanH(p, x, z) })
	add("SumSq", 1, func(p *parallel.Pool) { kernel.SumSq(p, x) })
	add("Dot", 2, func(p *parallel.Pool) { kernel.Dot(p, x, y) })
	add("AnyNonFinite", 1, func(p *parallel.Pool) { kernel.AnyNonFinite(p, x) })
	add("ChannelScaleShift", 2, func(p *parallel.Pool) { kernel.ChannelScaleShift(p, n, c, s, x, scale, shift, z) })
	add("ChannelSum", 1, func(p *parallel.Pool) { kernel.ChannelSum(p, n, c, s, x, scale) })
	add("ChannelDot", 2, func(p *parallel.Pool) { kernel.ChannelDot(p, n, c, s, x, y, scale) })
	add("ChannelStats", 1, func(p *parallel.Pool) { kernel.ChannelStats(p, n, c, s, x, scale, shift) })
	add("ChannelNormalize", 2, func(p *parallel.Pool) { kernel.ChannelNormalize(p, n, c, s, x, scale, shift, z) })
	add("ChannelNormalizeBackward", 5, func(p *parallel.Pool) { kernel.ChannelNormalizeBackward(p, n, c, s, y, shift, x, z) })
	add("Norm.Forward", 2, func(p *parallel.Pool) { norm.Forward(p, x, z) })
	add("Norm.ForwardBatch", 3, func(p *parallel.Pool) { norm.ForwardBatch(p, x, z) })
	add("Norm.Backward", 5, func(p *parallel.Pool) { norm.Backward(p, true, x, y, y, sum, dot) })
	residual := kernel.Norm{Eps: 1e-5, Factor: scale, Shift: shift, Add: y}
	residual.Resize(n, c, s)
	v := normal(n * c * s)
	dys := [][]float32{w, y}
	add("Norm.ForwardBatch/Add", 4, func(p *parallel.Pool) { residual.ForwardBatch(p, x, z) })
	add("Norm.BackwardAdd", 8, func(p *parallel.Pool) { residual.BackwardAdd(p, true, x, v, dys, w, z, sum, dot) })
	add("Softmax", 2, func(p *parallel.Pool) { kernel.Softmax(p, n*s, c, 1, x, z) })
	add("SoftmaxSpatial", 2, func(p *parallel.Pool) { kernel.Softmax(p, n, c, s, x, z) })
	add("SoftmaxBackward", 3, func(p *parallel.Pool) { kernel.SoftmaxBackward(p, n, c, s, y, x, z) })
	add("DropoutMask", 1, func(p *parallel.Pool) { kernel.DropoutMask(p, 1, 2, 0.5, 2, z) })
	add("SGDUpdate", 6, func(p *parallel.Pool) {
		(&kernel.Update{Rule: kernel.SGD, Param: x, Diff: y, History: z, Clip: 1, Normalize: 1, Decay: 1e-9}).Run(p)
	})
	add("AdamUpdate", 8, func(p *parallel.Pool) {
		(&kernel.Update{Rule: kernel.Adam, Param: x, Diff: y, History: z, History2: w, Clip: 1, Normalize: 1, Decay: 1e-9, Delta: 1}).Run(p)
	})
	benchBytes(b, cases)
}
