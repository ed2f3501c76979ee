package kernel_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/sysmem"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// conv returns a convolution of so many images.
func (s convShape) conv(b *testing.B, batch int) *kernel.Conv {
	conv, err := kernel.NewConv(kernel.ConvParams{
		Batch: batch, Channels: s.channels, Outputs: s.outputs, Group: s.group,
		In: []int{s.in, s.in}, Kernel: []int{s.kernel, s.kernel}, Pad: []int{s.pad, s.pad},
		Stride: []int{s.stride, s.stride}, Dilation: []int{1, 1},
	})
	if err != nil {
		b.Fatal(err)
	}
	return conv
}

// String returns channels, size and outputs, groups, kernel and stride.
func (s convShape) String() string {
	return fmt.Sprintf("%dx%d-%d,g=%d,k=%d,s=%d", s.channels, s.in, s.outputs, s.group, s.kernel, s.stride)
}

// weights returns the number of weights.
func (s convShape) weights() int { return s.outputs * s.channels / s.group * s.kernel * s.kernel }

// benchConvs calls a benchmark for each shape of each kind.
func benchConvs(b *testing.B, bench func(b *testing.B, s convShape)) {
	for _, kind := range convKinds {
		b.Run(kind.name, func(b *testing.B) {
			for _, s := range kind.shapes {
				bench(b, s)
			}
		})
	}
}

// BenchmarkConv times the passes of training.
func BenchmarkConv(b *testing.B) {
	benchConvs(b, func(b *testing.B, s convShape) {
		if s.batch > 1 {
			b.Run(fmt.Sprintf("%dx%v", s.batch, s), s.train)
		}
	})
}

func (s convShape) train(b *testing.B) {
	conv := s.conv(b, s.batch)
	out := conv.OutShape()
	x, y := normal(s.batch*s.channels*s.in*s.in), sysmem.Floats(s.batch*s.outputs*out[0]*out[1])
	weight, bias := normal(s.weights()), normal(s.outputs)
	dx, dweight, dbias := sysmem.Floats(len(x)), sysmem.Floats(len(weight)), make([]float32, len(bias))
	norm := kernel.Norm{Eps: 1e-5, Slope: 1, Sums: new(kernel.PlaneSums)}
	norm.Resize(s.batch, s.outputs, out[0]*out[1])
	pass := func(name string, flops float64, f func(p *parallel.Pool)) {
		b.Run(name, func(b *testing.B) { benchFlops(b, flops, f) })
	}
	flops := 2 * float64(conv.MACs())
	pass("forward", flops, func(p *parallel.Pool) { conv.Forward(p, x, weight, bias, y) })
	pass("forward and statistics", flops, func(p *parallel.Pool) {
		conv.ForwardSums(p, x, weight, bias, y, norm.Sums)
		norm.ForwardBatch(p, y, nil)
	})
	pass("data", flops, func(p *parallel.Pool) { conv.BackwardData(p, weight, y, dx) })
	pass("weights", flops, func(p *parallel.Pool) { clear(dweight); conv.BackwardWeights(p, x, y, dweight, dbias) })
	if s.group == s.channels && s.channels > 1 && s.stride == 1 {
		pass("both", 2*flops, func(p *parallel.Pool) { clear(dweight); conv.Backward(p, x, weight, y, dweight, dbias, dx) })
	}
}

// BenchmarkOneImage times convolutions of one image, forward. The weights change from run
// to run, since those of a net do not stay in the caches either.
func BenchmarkOneImage(b *testing.B) {
	benchConvs(b, func(b *testing.B, s convShape) { b.Run(s.String(), s.image) })
}

func (s convShape) image(b *testing.B) {
	conv := s.conv(b, 1)
	x, y := normal(s.channels*s.in*s.in), sysmem.Floats(s.outputs*conv.OutShape()[0]*conv.OutShape()[1])
	weights := [][]float32{normal(s.weights())}
	for range min(15, (6<<20)/len(weights[0])) {
		weights = append(weights, slices.Clone(weights[0]))
	}
	bias, run := normal(s.outputs), 0
	benchFlops(b, 2*float64(conv.MACs()), func(p *parallel.Pool) {
		conv.Forward(p, x, weights[run%len(weights)], bias, y)
		run++
	})
	if conv.PackedSize() == 0 {
		return
	}
	// Convolutions that keep their weights packed, as many.
	convs := make([]*kernel.Conv, len(weights))
	for i := range convs {
		convs[i] = s.conv(b, 1)
		convs[i].KeepPacked(1)
	}
	var warm *parallel.Pool
	b.Run("kept", func(b *testing.B) {
		benchFlops(b, 2*float64(conv.MACs()), func(p *parallel.Pool) {
			if n := len(convs); p != warm { // the second runs pack
				for i := range 2 * n {
					convs[i%n].Forward(p, x, weights[i%n], bias, y)
				}
				warm = p
			}
			convs[run%len(convs)].Forward(p, x, weights[run%len(weights)], bias, y)
			run++
		})
	})
}
