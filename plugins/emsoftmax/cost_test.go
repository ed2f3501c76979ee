package emsoftmax_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt/zoo"

	_ "github.com/gocaffe/gocaffe/layers/all"
)

// BenchmarkIteration measures what EM-Softmax adds to a training pass of LiuNet for
// CIFAR-10, batch 128. Nets that differ in nothing but the loss run in turns, two of each
// because memory may lie better for one of them, and em/softmax is the median of the ratios
// of their times, given with its quartiles.
func BenchmarkIteration(b *testing.B) {
	for _, width := range []struct {
		name   string
		divide uint32
	}{{"quarter", 4}, {"full", 1}} {
		b.Run("width="+width.name, func(b *testing.B) {
			const softmax, em = 0, 1
			order := []int{softmax, em, em, softmax}
			var passes []func() time.Duration
			for _, loss := range order {
				passes = append(passes, trainingPass(b, [2]string{"liunet-cifar10", "liunet-cifar10-em"}[loss], width.divide))
			}
			var ratios []float64
			for b.Loop() {
				var took [2]time.Duration
				for i, loss := range order {
					took[loss] += passes[i]()
				}
				ratios = append(ratios, took[em].Seconds()/took[softmax].Seconds())
			}
			slices.Sort(ratios)
			at := func(part float64) float64 { return ratios[int(part*float64(len(ratios)-1)+0.5)] }
			b.ReportMetric(at(0.5), "em/softmax")
			b.ReportMetric(at(0.25), "quartile1")
			b.ReportMetric(at(0.75), "quartile3")
		})
	}
}

// trainingPass returns a function that runs a forward and a backward pass of a net of the
// zoo, its widths divided, on one thread, and returns the time of both.
func trainingPass(b *testing.B, name string, divide uint32) func() time.Duration {
	entry, err := zoo.Lookup(name)
	if err != nil {
		b.Fatal(err)
	}
	file, err := entry.Read()
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range file.Param.Layer {
		if p := l.ConvolutionParam; p != nil {
			*p.NumOutput /= divide
		}
		if p := l.InnerProductParam; p != nil && *p.NumOutput > 10 { // not the classes
			*p.NumOutput /= divide
		}
	}
	pool := parallel.NewPool(1)
	b.Cleanup(pool.Close)
	n, err := net.New(file, net.Options{
		State: &caffepb.NetState{Phase: caffepb.Phase_TRAIN.Enum()}, Workers: pool, Seed: 1, Memory: new(net.Memory),
		Synthetic: &net.Synthetic{Shape: entry.Shape[:], Batch: 128},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	ctx := context.Background()
	return func() time.Duration {
		start := time.Now()
		if _, err := n.Forward(ctx); err != nil {
			b.Fatal(err)
		}
		if err := n.Backward(ctx); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
}
