package kernel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// netCase is a function on a blob as large as in a net.
type netCase struct {
	name  string
	bytes float64 // read and written, each blob once
	run   func(p *Pool)
}

// poolNetCases returns forward and backward pass of a pooling.
func poolNetCases(name string, g PoolParams, ave bool) []netCase {
	x, dx := make([]float32, g.Planes*g.H*g.W), make([]float32, g.Planes*g.H*g.W)
	y, mask := make([]float32, g.Planes*g.OutH*g.OutW), make([]int32, g.Planes*g.OutH*g.OutW)
	PhiloxUniform(x, -1, 1, 1, 1, 0)
	in, out := 4*float64(len(x)), 4*float64(len(y))
	if ave {
		return []netCase{
			{name + "/forward", in + out, func(p *Pool) { AvePoolForward(p, g, x, y) }},
			{name + "/backward", in + out, func(p *Pool) { AvePoolBackward(p, g, y, dx) }},
		}
	}
	MaxPoolForward(nil, g, x, y, mask)
	return []netCase{
		{name + "/forward", in + 2*out, func(p *Pool) { MaxPoolForward(p, g, x, y, mask) }},
		{name + "/backward", in + 2*out, func(p *Pool) { MaxPoolBackward(p, g, y, mask, dx) }},
	}
}

func lrnNetCases(name string, n, c, side int) []netCase {
	s := side * side
	x, dy, out := make([]float32, n*c*s), make([]float32, n*c*s), make([]float32, n*c*s)
	PhiloxUniform(x, -1, 1, 1, 1, 0)
	PhiloxUniform(dy, -1, 1, 1, 2, 0)
	bytes := 4 * float64(n*c*s)
	if strings.HasPrefix(name, "LRNWithin") {
		return []netCase{
			{name + "/forward", 2 * bytes, func(p *Pool) { LRNWithinForward(p, x, out, n*c, side, side, 3, 5e-5, 0.75) }},
			{name + "/backward", 3 * bytes, func(p *Pool) { LRNWithinBackward(p, x, dy, out, n*c, side, side, 3, 5e-5, 0.75) }},
		}
	}
	return []netCase{
		{name + "/forward", 2 * bytes, func(p *Pool) { LRNForward(p, x, out, n, c, s, 5, 1e-4, 0.75, 1) }},
		{name + "/backward", 3 * bytes, func(p *Pool) { LRNBackward(p, x, dy, out, n, c, s, 5, 1e-4, 0.75, 1) }},
	}
}

// netCases are layers of LeNet, CIFAR-10 quick and full, AlexNet and LiuNet.
func netCases() []netCase {
	return slices.Concat(
		poolNetCases("MaxPool/LeNet64x20x24x24", pooled(64*20, 24, 24, 2, 2, 0, 0, 2, 2), false),
		poolNetCases("MaxPool/LeNet64x50x8x8", pooled(64*50, 8, 8, 2, 2, 0, 0, 2, 2), false),
		poolNetCases("MaxPool/LiuNet128x64x32x32", pooled(128*64, 32, 32, 2, 2, 0, 0, 2, 2), false),
		poolNetCases("MaxPool/CIFAR100x32x32x32", pooled(100*32, 32, 32, 3, 3, 0, 0, 2, 2), false),
		poolNetCases("AvePool/CIFAR100x32x16x16", pooled(100*32, 16, 16, 3, 3, 0, 0, 2, 2), true),
		poolNetCases("AvePool/CIFAR100x64x8x8", pooled(100*64, 8, 8, 3, 3, 0, 0, 2, 2), true),
		poolNetCases("AvePool/Global128x256x8x8", pooled(128*256, 8, 8, 8, 8, 0, 0, 1, 1), true),
		poolNetCases("MaxPool/AlexNet16x96x55x55", pooled(16*96, 55, 55, 3, 3, 0, 0, 2, 2), false),
		poolNetCases("MaxPool/AlexNet16x256x27x27", pooled(16*256, 27, 27, 3, 3, 0, 0, 2, 2), false),
		poolNetCases("MaxPool/AlexNet16x256x13x13", pooled(16*256, 13, 13, 3, 3, 0, 0, 2, 2), false),
		lrnNetCases("LRN/AlexNet16x96x55x55", 16, 96, 55),
		lrnNetCases("LRN/AlexNet16x256x27x27", 16, 256, 27),
		lrnNetCases("LRNWithin/CIFAR100x32x16x16", 100, 32, 16),
		lrnNetCases("LRNWithin/CIFAR100x32x8x8", 100, 32, 8),
		updateNetCases(),
	)
}

// updateNetCases update weights as large as AlexNet's third from the last layer.
func updateNetCases() (cases []netCase) {
	const n = 4096 * 9216
	var s [4][]float32
	for i := range s {
		s[i] = make([]float32, n)
		Fill(s[i], 1)
	}
	u := Update{Param: s[0], Diff: s[1], History: s[2], History2: s[3], Clip: 1, Normalize: 1, Decay: 5e-4, Rate: 1e-9, Momentum: 0.9, Momentum2: 0.999, Delta: 1}
	for _, rule := range []Rule{SGD, Adam} {
		u.Rule = rule
		passes := 6
		if rule == Adam {
			passes = 8
		}
		u := u
		cases = append(cases, netCase{fmt.Sprintf("Update/AlexNet4096x9216/%d", rule), float64(4 * n * passes), func(p *Pool) { u.Run(p) }})
	}
	return cases
}

// BenchmarkNets times layers at the sizes of real nets, with caches as warm as
// they can be. Share compares their rate with PeakBandwidth.
func BenchmarkNets(b *testing.B) {
	for threads := 1; threads <= 2; threads++ {
		p := NewPool(threads)
		defer p.Close()
		for _, c := range netCases() {
			b.Run(fmt.Sprintf("%s/threads=%d", c.name, threads), func(b *testing.B) {
				peak := PeakBandwidth(p)
				var times []time.Duration
				for range b.N {
					start := time.Now()
					c.run(p)
					times = append(times, time.Since(start))
				}
				slices.Sort(times)
				rate := c.bytes / times[len(times)/2].Seconds() / 1e9
				b.ReportMetric(rate, "GB/s")
				b.ReportMetric(100*rate/peak, "%peak")
			})
		}
	}
}
