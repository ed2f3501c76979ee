package kernel

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestVecAllocatesNothing runs everything that takes a pool, and so has tasks
// and sums to keep.
func TestVecAllocatesNothing(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	f := newVecBench(2, 9, 6000)
	for _, b := range f.cases() {
		if n := testing.AllocsPerRun(20, func() { b.run(p) }); n != 0 {
			t.Errorf("%s allocates %g times", b.name, n)
		}
	}
}

// vecBench has blobs of n items, c channels and square planes of s numbers.
type vecBench struct {
	n, c, s     int
	x, y, z, w  []float32
	mask        []int32
	a, b        []float32 // of c numbers
	sums, dots  []float64 // of c numbers
	even        PoolParams
	overlapping PoolParams
}

func newVecBench(n, c, s int) *vecBench {
	total := n * c * s
	v := &vecBench{n: n, c: c, s: s, mask: make([]int32, total), a: make([]float32, c), b: make([]float32, c)}
	v.sums, v.dots = make([]float64, c), make([]float64, c)
	for i, blob := range []*[]float32{&v.x, &v.y, &v.z, &v.w} {
		*blob = make([]float32, total)
		PhiloxUniform(*blob, 0.5, 1, 1, uint64(i), 0)
	}
	side := 1
	for (side+1)*(side+1) <= s {
		side++
	}
	v.even = pooled(n*c, side, side, 2, 2, 0, 0, 2, 2)
	v.overlapping = pooled(n*c, side, side, 3, 3, 0, 0, 2, 2)
	return v
}

type vecBenchCase struct {
	name   string
	passes float64 // blobs read and written
	run    func(p *Pool)
}

func (v *vecBench) cases() []vecBenchCase {
	n, c, s := v.n, v.c, v.s
	norm := Norm{Eps: 1e-5, Factor: v.a, Shift: v.b}
	norm.Resize(n, c, s)
	return []vecBenchCase{
		{"Copy", 2, func(p *Pool) { CopyP(p, v.y, v.x) }},
		{"Fill", 1, func(p *Pool) { FillP(p, v.y, 1) }},
		{"Scale", 2, func(p *Pool) { ScaleP(p, 2, v.x, v.y) }},
		{"Axpy", 3, func(p *Pool) { AxpyP(p, 0, v.x, v.y) }},
		{"Add", 3, func(p *Pool) { AddP(p, v.z, v.x, v.y) }},
		{"ReLU", 2, func(p *Pool) { ReLUP(p, v.y, v.x, 0) }},
		{"ReLUInPlace", 2, func(p *Pool) { ReLUP(p, v.x, v.x, 0) }},
		{"ReLUGradInPlace", 3, func(p *Pool) { ReLUGradP(p, v.y, v.x, v.y, 0) }},
		{"Exp", 2, func(p *Pool) { ExpP(p, v.z, v.x) }},
		{"TanH", 2, func(p *Pool) { TanHP(p, v.z, v.x) }},
		{"SumSq", 1, func(p *Pool) { SumSqP(p, v.x) }},
		{"Dot", 2, func(p *Pool) { DotP(p, v.x, v.y) }},
		{"AnyNonFinite", 1, func(p *Pool) { AnyNonFiniteP(p, v.x) }},
		{"ChannelScaleShift", 2, func(p *Pool) { ChannelScaleShift(p, v.z, v.x, v.a, v.b, n, c, s) }},
		{"ChannelSum", 1, func(p *Pool) { ChannelSum(p, v.a, v.x, n, c, s) }},
		{"ChannelDot", 2, func(p *Pool) { ChannelDot(p, v.a, v.x, v.y, n, c, s) }},
		{"BatchNormStats", 1, func(p *Pool) { BatchNormStats(p, v.x, v.a, v.b, n, c, s) }},
		{"BatchNormForward", 2, func(p *Pool) { BatchNormForward(p, v.z, v.x, v.a, v.b, n, c, s) }},
		{"BatchNormBackward", 5, func(p *Pool) { BatchNormBackward(p, v.z, v.x, v.y, v.b, n, c, s) }},
		{"Norm.Forward", 2, func(p *Pool) { norm.Forward(p, v.z, v.x) }},
		{"Norm.ForwardBatch", 3, func(p *Pool) { norm.ForwardBatch(p, v.z, v.x) }},
		{"Norm.Backward", 5, func(p *Pool) { norm.Backward(p, v.y, v.x, v.y, v.sums, v.dots, true) }},
		{"MaxPool2x2", 1.5, func(p *Pool) { MaxPoolForward(p, v.even, v.x, v.z, v.mask) }},
		{"MaxPool2x2Backward", 1.5, func(p *Pool) { MaxPoolBackward(p, v.even, v.x, v.mask, v.z) }},
		{"MaxPool3x3", 1.5, func(p *Pool) { MaxPoolForward(p, v.overlapping, v.x, v.z, v.mask) }},
		{"MaxPool3x3Backward", 1.5, func(p *Pool) { MaxPoolBackward(p, v.overlapping, v.x, v.mask, v.z) }},
		{"AvePool3x3", 1.25, func(p *Pool) { AvePoolForward(p, v.overlapping, v.x, v.z) }},
		{"AvePool3x3Backward", 1.25, func(p *Pool) { AvePoolBackward(p, v.overlapping, v.x, v.z) }},
		{"LRN", 2, func(p *Pool) { LRNForward(p, v.x, v.z, n, c, s, 5, 1e-4, 0.75, 1) }},
		{"LRNBackward", 3, func(p *Pool) { LRNBackward(p, v.x, v.y, v.z, n, c, s, 5, 1e-4, 0.75, 1) }},
		{"LRNWithin", 2, func(p *Pool) { LRNWithinForward(p, v.x, v.z, n*c, s/20, 20, 3, 1e-4, 0.75) }},
		{"LRNWithinBackward", 3, func(p *Pool) { LRNWithinBackward(p, v.x, v.y, v.z, n*c, s/20, 20, 3, 1e-4, 0.75) }},
		{"Softmax", 2, func(p *Pool) { Softmax(p, v.x, v.z, n*s, c, 1) }},
		{"SoftmaxSpatial", 2, func(p *Pool) { Softmax(p, v.x, v.z, n, c, s) }},
		{"SoftmaxBackward", 3, func(p *Pool) { SoftmaxBackward(p, v.y, v.x, v.z, n, c, s) }},
		{"DropoutMask", 1, func(p *Pool) { DropoutMask(p, v.z, 1, 2, 0.5, 2) }},
		{"SGDUpdate", 6, func(p *Pool) {
			(&Update{Rule: SGD, Param: v.x, Diff: v.y, History: v.z, Clip: 1, Normalize: 1, Decay: 1e-9}).Run(p)
		}},
		{"AdamUpdate", 8, func(p *Pool) {
			(&Update{Rule: Adam, Param: v.x, Diff: v.y, History: v.z, History2: v.w, Clip: 1, Normalize: 1, Decay: 1e-9, Delta: 1}).Run(p)
		}},
	}
}

// BenchmarkVec times the functions on the blob behind the first convolutions of
// LiuNet (batch 128, 64 planes of 32×32: 33.6 MB). GB/s counts each blob that
// is read or written once; Copy is the measure.
func BenchmarkVec(b *testing.B) {
	v := newVecBench(128, 64, 32*32)
	for threads := 1; threads <= 2; threads++ {
		p := NewPool(threads)
		defer p.Close()
		for _, c := range v.cases() {
			b.Run(fmt.Sprintf("%s/threads=%d", c.name, threads), func(b *testing.B) {
				best := time.Duration(math.MaxInt64)
				for range b.N {
					start := time.Now()
					c.run(p)
					best = min(best, time.Since(start))
				}
				bytes := c.passes * 4 * float64(len(v.x))
				b.ReportMetric(bytes/best.Seconds()/1e9, "GB/s")
			})
		}
		b.Run(fmt.Sprintf("PeakBandwidth/threads=%d", threads), func(b *testing.B) {
			var rate float64
			for range b.N {
				rate = PeakBandwidth(p)
			}
			b.ReportMetric(rate, "GB/s")
		})
	}
}
