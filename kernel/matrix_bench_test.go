package kernel_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/internal/sysmem"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// BenchmarkGemm times products of matrices: first those of InnerProduct layers (forward,
// gradient of the weights, gradient of the data), then small and skewed ones.
func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		m, n, k        int
		transA, transB bool
	}{
		{64, 500, 800, false, true}, {500, 800, 64, true, false}, {64, 800, 500, false, false}, // LeNet
		{256, 4096, 9216, false, true}, {256, 4096, 128, true, false}, // AlexNet
		{128, 256, 4096, false, true}, {128, 4096, 256, false, false}, // LiuNet-CIFAR10
		{128, 10, 256, false, true}, {10, 256, 128, true, false},
		{32, 1000, 2048, false, true}, {1000, 2048, 32, true, false}, {32, 2048, 1000, false, false}, // ResNet-50
		{1000, 1000, 1000, false, false},
		// small
		{8, 8, 8, false, false}, {16, 16, 16, false, true}, {7, 9, 11, false, false}, {32, 32, 32, false, false},
		{48, 48, 48, true, false}, {64, 64, 64, false, false}, {100, 100, 100, false, true},
		// skewed
		{8, 8, 20000, false, true}, {20, 25, 10000, false, true}, // long sums
		{5000, 12, 30, false, false}, {4096, 8, 256, false, true}, // few columns
		{12, 5000, 30, false, false}, {24, 3136, 576, false, false}, // few rows
		{2000, 2000, 5, true, false}, // short sums
	} {
		a, x, y := normal(s.m*s.k), normal(s.k*s.n), sysmem.Floats(s.m*s.n)
		lda, ldb := s.k, s.n
		if s.transA {
			lda = s.m
		}
		if s.transB {
			ldb = s.k
		}
		b.Run(fmt.Sprintf("%dx%dx%d,%v,%v", s.m, s.n, s.k, s.transA, s.transB), func(b *testing.B) {
			benchFlops(b, 2*float64(s.m)*float64(s.n)*float64(s.k), func(p *parallel.Pool) {
				kernel.Gemm(p, s.transA, s.transB, s.m, s.n, s.k, 1, a, lda, x, ldb, 0, y, s.n)
			})
		})
	}
}

// BenchmarkInnerProduct times the output of InnerProduct layers for few items, and the gradients
// of their data and weights, in GB/s of the weights, which change from run to run and come from
// memory. Gradients of weights are read and written.
func BenchmarkInnerProduct(b *testing.B) {
	const most = 24 << 20 // elements of all weights, more than the caches hold
	all := normal(4096 * 9216)
	var cases []memoryCase
	for _, s := range []struct {
		net             string
		inputs, outputs int
	}{
		{"AlexNet-fc6", 9216, 4096}, {"AlexNet-fc7", 4096, 4096}, {"AlexNet-fc8", 4096, 1000},
		{"ResNet-50", 2048, 1000}, {"GoogLeNet", 1024, 1000}, {"LiuNet-CIFAR10", 4096, 256},
		// others
		{"MobileNet-v2", 1280, 1000}, {"DenseNet-161", 2208, 1000}, {"C3D", 8192, 4096},
		{"VGG-Face", 4096, 2622}, {"YOLO", 1024, 4096}, {"odd", 777, 1001},
	} {
		size := s.inputs * s.outputs
		copies, run := max(1, most/size), 0
		for _, items := range []int{1, 2, 4, 8, 16, 32} {
			x, y := normal(items*s.inputs), make([]float32, items*s.outputs)
			add := func(pass string, accesses int, multiply func(p *parallel.Pool, weight []float32)) {
				cases = append(cases, memoryCase{fmt.Sprintf("%s/%d-%d/items=%d/%s", s.net, s.inputs, s.outputs, items, pass), float64(4 * accesses * size), func(p *parallel.Pool) {
					multiply(p, all[run%copies*size:][:size])
					run++
				}})
			}
			add("forward", 1, func(p *parallel.Pool, weight []float32) {
				kernel.Gemm(p, false, true, items, s.outputs, s.inputs, 1, x, s.inputs, weight, s.inputs, 0, y, s.outputs)
			})
			add("data", 1, func(p *parallel.Pool, weight []float32) {
				kernel.Gemm(p, false, false, items, s.inputs, s.outputs, 1, y, s.outputs, weight, s.inputs, 0, x, s.inputs)
			})
			add("weights", 2, func(p *parallel.Pool, weight []float32) {
				kernel.Gemm(p, true, false, s.outputs, s.inputs, items, 1, y, s.outputs, x, s.inputs, 1, weight, s.inputs)
			})
		}
	}
	benchBytes(b, cases)
}

// BenchmarkBatchNorm times the passes of BatchNorm, Scale and ReLU that run together:
// forward with stored statistics, also of one image, and forward and backward of training.
func BenchmarkBatchNorm(b *testing.B) {
	for _, s := range []struct{ batch, channels, side int }{
		{128, 64, 32}, {128, 256, 8}, // LiuNet-CIFAR10
		{8, 64, 112}, {8, 256, 56}, {8, 512, 28}, {8, 1024, 14}, {8, 2048, 7}, // ResNet-50
		{16, 32, 112}, {16, 128, 56}, {16, 512, 14}, {16, 1024, 7}, // MobileNet v1
		// others
		{8, 192, 35}, {8, 768, 17}, // Inception-v3
		{8, 128, 28},                                                                           // DenseNet-121
		{8, 144, 56},                                                                           // MobileNet v2
		{16, 116, 14},                                                                          // ShuffleNet v2
		{64, 2048, 1}, {128, 1024, 1}, {32, 4096, 1}, {100, 500, 1}, {256, 84, 1}, {9, 777, 1}, // behind InnerProduct
		{64, 512, 2}, {64, 512, 4}, {32, 256, 3}, {9, 50, 13}, // small planes; odd sizes
	} {
		for _, batch := range []int{1, s.batch} {
			plane := s.side * s.side
			size := batch * s.channels * plane
			x, y, z := normal(size), normal(size), sysmem.Floats(size)
			norm := kernel.Norm{Eps: 1e-5, Factor: normal(s.channels), Shift: normal(s.channels)}
			norm.Resize(batch, s.channels, plane)
			norm.ForwardBatch(nil, x, z)
			sum, dot := make([]float64, s.channels), make([]float64, s.channels)
			bytes := 4 * float64(size)
			cases := []memoryCase{{"stored", 2 * bytes, func(p *parallel.Pool) { norm.Forward(p, x, z) }}}
			if batch > 1 {
				cases = append(cases, memoryCase{"forward", 3 * bytes, func(p *parallel.Pool) { norm.ForwardBatch(p, x, z) }},
					memoryCase{"backward", 5 * bytes, func(p *parallel.Pool) { norm.Backward(p, true, x, y, z, sum, dot) }})
			}
			b.Run(fmt.Sprintf("%dx%dx%d", batch, s.channels, s.side), func(b *testing.B) { benchBytes(b, cases) })
		}
	}
}
