package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// Small cases in which every size and every slice is different, so that two
// arguments that are swapped give another result. The values are computed by
// hand from the doc comments.
func TestArguments(t *testing.T) {
	x := []float32{6, -3, 8, 1, 2, -4} // (1,2,3), (2,3) or (3,2)
	for _, test := range []struct {
		name string
		want []float64
		run  func(y []float32)
	}{
		{"Gemv", []float64{6*2 - 3*4 + 1, 2*(8*2+1*4) + 0, 0}, func(y []float32) {
			y[0] = 1
			kernel.Gemv(nil, false, 1, 2, 1, x, 2, []float32{2, 4}, 1, y)
			kernel.Gemv(nil, false, 1, 2, 2, x[2:], 2, []float32{2, 4}, 0, y[1:])
		}},
		{"Gemv of the transposed", []float64{6*2 + 1*4, -3*2 + 2*4, 8*2 - 4*4}, func(y []float32) {
			kernel.Gemv(nil, true, 2, 3, 1, x, 3, []float32{2, 4}, 0, y)
		}},
		{"ChannelScaleShift", []float64{13, -5, 17, 9, 13, -11}, func(y []float32) {
			kernel.ChannelScaleShift(nil, 1, 2, 3, x, []float32{2, 4}, []float32{1, 5}, y)
		}},
		{"ChannelSum", []float64{11, -1, 0}, func(y []float32) { kernel.ChannelSum(nil, 1, 2, 3, x, y) }},
		{"ChannelSum of columns", []float64{16, -6, 0}, func(y []float32) { kernel.ChannelSum(nil, 3, 2, 1, x, y) }},
		{"ChannelDot", []float64{6*1 - 3*2 + 8*3, 1*4 + 2*5 - 4*6, 0}, func(y []float32) {
			kernel.ChannelDot(nil, 1, 2, 3, x, []float32{1, 2, 3, 4, 5, 6}, y)
		}},
		{"ChannelStats", []float64{11. / 3, -1. / 3, (36 + 9 + 64) / 3. * 1e-3, (1 + 4 + 16) / 3. * 1e-3}, func(y []float32) {
			kernel.ChannelStats(nil, 1, 2, 3, x, y, y[2:])
			y[2] = (y[2] + y[0]*y[0]) * 1e-3
			y[3] = (y[3] + y[1]*y[1]) * 1e-3
		}},
		{"ChannelNormalize", []float64{(6 - 2) * 3, (-3 - 2) * 3, (8 - 2) * 3, (1 - 5) * 7, (2 - 5) * 7, (-4 - 5) * 7}, func(y []float32) {
			kernel.ChannelNormalize(nil, 1, 2, 3, x, []float32{2, 5}, []float32{3, 7}, y)
		}},
		// dy = x, y = {1, 0, -1}: mean(dy) = 11/3, mean(dy y) = -2/3
		{"ChannelNormalizeBackward", []float64{2 * (6 - 11./3 + 2./3), 2 * (-3 - 11./3), 2 * (8 - 11./3 - 2./3)}, func(y []float32) {
			kernel.ChannelNormalizeBackward(nil, 1, 1, 3, []float32{1, 0, -1}, []float32{2}, x[:3], y)
		}},
		{"CopyRows", []float64{0, -3, 8, 0, 2, -4}, func(y []float32) { kernel.CopyRows(nil, 2, 2, x[1:], 3, y[1:], 3) }},
		{"CopyRows to other distances", []float64{6, 0, 8, 0, 2}, func(y []float32) { kernel.CopyRows(nil, 3, 1, x, 2, y, 2) }},
		// Rows {6,-3}, {8,1}, {2,-4}.
		{"GatherRows", []float64{2, -4, 0, 0, 6, -3}, func(y []float32) { kernel.GatherRows(nil, 3, 2, x, []int32{2, -1, 0}, y) }},
		{"ScatterAddRows", []float64{0, 0, 6 + 2, -3 - 4, 0, 0}, func(y []float32) {
			kernel.ScatterAddRows(nil, 3, 2, x, []int32{1, -1, 1}, y)
		}},
		{"NormalizeRows", []float64{6. / 7, -3. / 7, 8 / 9., 1 / 9.}, func(y []float32) {
			kernel.NormalizeRows(nil, 2, 1, 13, []float32{6, 0}, y)
			kernel.NormalizeRows(nil, 1, 2, 4, []float32{6, -3}, y)
			kernel.NormalizeRows(nil, 1, 2, 16, x[2:4], y[2:])
		}},
		{"NormalizeRows of zeros", []float64{.8, -.6, 0, 0}, func(y []float32) {
			kernel.NormalizeRows(nil, 2, 2, 0, []float32{8, -6, 0, 0}, y)
		}},
		{"Softmax", []float64{1 / (1 + math.Exp(1-6)), 1 / (1 + math.Exp(2+3)), 1 / (1 + math.Exp(-4-8)),
			1 / (1 + math.Exp(6-1)), 1 / (1 + math.Exp(-3-2)), 1 / (1 + math.Exp(8+4))},
			func(y []float32) { kernel.Softmax(nil, 1, 2, 3, x, y) }},
		// y = {1/4, 3/4}, dy = {6, -3}: the sum of dy y is -3/4.
		{"SoftmaxBackward", []float64{(6 + .75) / 4, (-3 + .75) * 3 / 4}, func(y []float32) {
			kernel.SoftmaxBackward(nil, 1, 2, 1, []float32{.25, .75}, x[:2], y)
		}},
		// The window of one element: y = x/(k + alpha x²), dx = dy (k - alpha x²)/(k + alpha x²)².
		{"LRN", []float64{6 / (3 + 2*36.), -3 / (3 + 2*9.), 4 * (3 - 2*64) / math.Pow(3+2*64, 2)}, func(y []float32) {
			kernel.LRNForward(nil, 1, 2, 1, 1, 2, 1, 3, x, y)
			kernel.LRNBackward(nil, 1, 1, 1, 1, 2, 1, 3, x[2:3], []float32{4}, y[2:])
		}},
		{"LRNWithin", []float64{6 / (1 + 2*36.), -3 / (1 + 2*9.), 4 * (1 - 2*64) / math.Pow(1+2*64, 2)}, func(y []float32) {
			kernel.LRNWithinForward(nil, 1, 1, 2, 1, 2, 1, x, y)
			kernel.LRNWithinBackward(nil, 1, 1, 1, 1, 2, 1, x[2:3], []float32{4}, y[2:])
		}},
		{"MaxPool", []float64{8, 0, 0, 5, 0, 0}, func(y []float32) {
			g := kernel.PoolParams{Planes: 1, H: 1, W: 3, OutH: 1, OutW: 1, KernelH: 1, KernelW: 3, StrideH: 1, StrideW: 1}
			mask := make([]int32, 1)
			kernel.MaxPoolForward(nil, g, x[:3], y, mask)
			mask[0]--
			kernel.MaxPoolBackward(nil, g, mask, []float32{5}, y[2:5])
		}},
		{"AvePool", []float64{11. / 3, 2, 2, 2}, func(y []float32) {
			g := kernel.PoolParams{Planes: 1, H: 1, W: 3, OutH: 1, OutW: 1, KernelH: 1, KernelW: 3, StrideH: 1, StrideW: 1}
			kernel.AvePoolForward(nil, g, x[:3], y)
			kernel.AvePoolBackward(nil, g, []float32{6}, y[1:4])
		}},
		{"Pixels", []float64{(7 - 1) * 2, (9 - 1) * 2, (9 - 5) * 3, (7 - 3) * 3}, func(y []float32) {
			kernel.Pixels(nil, false, 1, 2, []byte{7, 9}, nil, y[:2])
			kernel.Pixels(nil, true, 100, 3, []byte{7, 9}, []float32{3, 5}, y[2:4])
		}},
	} {
		y := make([]float32, 6)
		test.run(y)
		for i, want := range test.want {
			if !(math.Abs(float64(y[i])-want) <= 1e-5*max(1, math.Abs(want))) {
				t.Errorf("%s: got %v, want %v", test.name, y, test.want)
				break
			}
		}
	}
}

// The gradients of a convolution of one tap are products: dx = w dy, dw = Σ x dy,
// db = Σ dy. The latter two are added.
func TestConvArguments(t *testing.T) {
	conv, err := kernel.NewConv(kernel.ConvParams{
		Batch: 1, Channels: 1, Outputs: 1, Group: 1,
		In: []int{3}, Kernel: []int{1}, Pad: []int{0}, Stride: []int{1}, Dilation: []int{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	x, dy, dx := []float32{1, 2, 3}, []float32{4, 5, 6}, make([]float32, 3)
	dw, db := []float32{100}, []float32{10}
	conv.BackwardData(nil, []float32{2}, dy, dx)
	conv.BackwardWeights(nil, x, dy, dw, db)
	if want := []float32{8, 10, 12}; !slices.Equal(dx, want) {
		t.Errorf("dx = %v, want %v", dx, want)
	}
	if dw[0] != 132 || db[0] != 25 {
		t.Errorf("dw = %v, db = %v, want 132 and 25", dw, db)
	}
	if conv.BackwardBias(nil, dy, db); db[0] != 40 {
		t.Errorf("db = %v, want 40", db)
	}
	if conv.MACs() != 3 {
		t.Errorf("%d multiply-adds, want 3", conv.MACs())
	}
	if _, err := kernel.NewConv(kernel.ConvParams{Batch: 1, Channels: 3, Outputs: 1, Group: 2}); err == nil {
		t.Error("no error for 3 channels in 2 groups")
	}
}

// A Norm has the inputs that its fields hold, whatever they were in the pass
// before.
func TestNorm(t *testing.T) {
	var m kernel.Norm
	m.Resize(1, 1, 2)
	x, y := []float32{1, 5}, make([]float32, 2)
	m.Slope, m.Eps = 1, 0
	m.ForwardBatch(nil, x, y)
	if m.Mean[0] != 3 || m.Variance[0] != 4 || m.InvStd[0] != .5 || !slices.Equal(y, []float32{-1, 1}) {
		t.Errorf("mean %v, variance %v, invstd %v, y %v; want 3, 4, 0.5, [-1 1]", m.Mean, m.Variance, m.InvStd, y)
	}
	m.Mean, m.Variance = []float32{2}, []float32{.25}
	m.Factor, m.Shift, m.Slope = []float32{3}, []float32{1}, .5
	m.Forward(nil, x, y) // z = 3 2 (x-2) + 1
	if !slices.Equal(y, []float32{-2.5, 19}) {
		t.Errorf("y = %v, want [-2.5 19]", y)
	}
	sum, dot, dx := make([]float64, 1), make([]float64, 1), make([]float32, 2)
	m.Backward(nil, false, x, []float32{4, 7}, dx, sum, dot) // dz = {2, 7}
	if sum[0] != 9 || dot[0] != 2*(1-2)+7*(5-2) || !slices.Equal(dx, []float32{12, 42}) {
		t.Errorf("sum %v, dot %v, dx %v; want 9, 19, [12 42]", sum, dot, dx)
	}
	m.Backward(nil, true, x, []float32{4, 7}, dx, sum, dot) // dx = 6 (dz - 4.5 - (x-2) 4 9.5)
	if !slices.Equal(dx, []float32{6 * (2 - 4.5 + 38), 6 * (7 - 4.5 - 3*38)}) {
		t.Errorf("dx = %v with the statistics of the batch", dx)
	}
	m.Add = []float32{2.5, -18}
	m.Forward(nil, x, y) // z is {-5, 19} before the sum
	if !slices.Equal(y, []float32{-1.25, 1}) {
		t.Errorf("y = %v with Add, want [-1.25 1]", y)
	}
	dz := make([]float32, 2)
	m.BackwardAdd(nil, false, x, y, [][]float32{{3, 5}, {1, 2}}, dz, dx, sum, dot)
	if sum[0] != 9 || dot[0] != 19 || !slices.Equal(dz, []float32{2, 7}) || !slices.Equal(dx, []float32{12, 42}) {
		t.Errorf("with Add: sum %v, dot %v, dz %v, dx %v; want 9, 19, [2 7], [12 42]", sum, dot, dz, dx)
	}
}

// All ways to the words of a stream, from any offset and on any pool, agree.
func TestPhilox(t *testing.T) {
	const key, stream, n = 11, 22, 2*block + 5
	words, uniform, gaussian := make([]uint32, n), make([]float32, n), make([]float32, n)
	kernel.PhiloxUint32(nil, key, stream, 0, words)
	kernel.PhiloxUniform(nil, key, stream, 0, 0, 1, uniform)
	kernel.PhiloxGaussian(nil, key, stream, 0, 3, 2, gaussian)
	source := &kernel.Philox{Key: key, Stream: stream}
	if first := source.Uint32(); first != words[0] {
		t.Errorf("Uint32 is %d, want word 0, %d", first, words[0])
	}
	if second, want := source.Uint64(), uint64(words[2])<<32|uint64(words[1]); second != want {
		t.Errorf("Uint64 is %d, want words 1 and 2, %d", second, want)
	}
	if third := source.Float32(); third != uniform[3] {
		t.Errorf("Float32 is %g, want %g", third, uniform[3])
	}
	rand.New(source).Shuffle(5, func(i, j int) {}) // it is a rand.Source
	var mean, square float64
	for _, v := range gaussian {
		mean += (float64(v) - 3) / n
		square += (float64(v) - 3) * (float64(v) - 3) / n
	}
	if math.Abs(mean) > .05 || math.Abs(square-4) > .15 { // 5 and 5 standard errors
		t.Errorf("gaussian numbers have mean 3%+g and variance %g, want 3 and 4", mean, square)
	}
	pools(t, func(name string, p *parallel.Pool) {
		for _, from := range []int{0, 3} {
			w, u, g := make([]uint32, n-from), make([]float32, n-from), make([]float32, n-from)
			kernel.PhiloxUint32(p, key, stream, uint64(from), w)
			kernel.PhiloxUniform(p, key, stream, uint64(from), 0, 1, u)
			kernel.PhiloxGaussian(p, key, stream, uint64(from), 3, 2, g)
			if !slices.Equal(w, words[from:]) || !slices.Equal(u, uniform[from:]) || !slices.Equal(g, gaussian[from:]) {
				t.Errorf("from word %d on %s threads: other numbers", from, name)
			}
		}
		mask := make([]float32, n)
		kernel.DropoutMask(p, key, stream, .25, 1.5, mask)
		for i, v := range mask {
			if want := float32(1.5); words[i] < 1<<30 && v != 0 || words[i] >= 1<<30 && v != want {
				t.Fatalf("DropoutMask on %s threads: element %d of word %d is %g", name, i, words[i], v)
			}
		}
	})
}

// Images larger than a block are computed alike on every pool.
func TestPixelsThreads(t *testing.T) {
	const n = 2*block + 7
	x, means := make([]byte, n), make([]float32, n)
	for i := range x {
		x[i], means[i] = byte(i*7), float32(i%11)
	}
	pools(t, func(name string, p *parallel.Pool) {
		for _, mirrored := range []bool{false, true} {
			y := make([]float32, n)
			kernel.Pixels(p, mirrored, 0, .5, x, means, y)
			for i := range y {
				from := i
				if mirrored {
					from = n - 1 - i
				}
				if want := (float32(x[from]) - means[from]) * .5; y[i] != want {
					t.Fatalf("mirrored %v on %s threads: y[%d] = %g, want %g", mirrored, name, i, y[i], want)
				}
			}
		}
	})
}

// Each rule with the values of every field that it reads, computed by hand.
func TestUpdate(t *testing.T) {
	// The gradient is (4·0.5)·0.25 + 0.1·10 = 1.5.
	update := kernel.Update{Clip: .5, Normalize: .25, Decay: .1, Rate: .2, Momentum: .9, Momentum2: .8, Delta: .3}
	for _, test := range []struct {
		name      string
		rule      kernel.Rule
		step      float64
		h, second float64 // the histories, 2 and 3 before
	}{
		{"SGD", kernel.SGD, .2*1.5 + .9*2, .2*1.5 + .9*2, 3},
		{"Nesterov", kernel.Nesterov, 1.9*(.2*1.5+.9*2) - .9*2, .2*1.5 + .9*2, 3},
		{"AdaGrad", kernel.AdaGrad, .2 * 1.5 / (math.Sqrt(2+2.25) + .3), 2 + 2.25, 3},
		{"RMSProp", kernel.RMSProp, .2 * 1.5 / (math.Sqrt(.1*2.25+.9*2) + .3), .1*2.25 + .9*2, 3},
		{"AdaDelta", kernel.AdaDelta, .2 * 1.5 * math.Sqrt((.3+3)/(.3+.1*2.25+.9*2)), .1*2.25 + .9*2,
			.1*2.25*(.3+3)/(.3+.1*2.25+.9*2) + .9*3},
		{"Adam", kernel.Adam, .2 * (.1*1.5 + .9*2) / (math.Sqrt(.2*2.25+.8*3) + .3), .1*1.5 + .9*2, .2*2.25 + .8*3},
	} {
		u := update
		u.Rule, u.Param, u.Diff, u.History, u.History2 = test.rule, []float32{10}, []float32{4}, []float32{2}, []float32{3}
		u.Run(nil)
		got := []float32{10 - u.Param[0], u.Diff[0], u.History[0], u.History2[0]}
		for i, want := range []float64{test.step, test.step, test.h, test.second} {
			if !(math.Abs(float64(got[i])-want) <= 2e-6) {
				t.Errorf("%s: step, diff and histories are %v, want %g, %g, %g and %g", test.name, got, test.step, test.step, test.h, test.second)
				break
			}
		}
	}
	u := update
	u.Param, u.Diff, u.History, u.L1, u.Clear = []float32{-10}, []float32{4}, []float32{0}, true, true
	u.Run(nil) // the gradient is 0.5 - 0.1
	if got := u.Param[0] + 10; !(math.Abs(float64(got)+.2*.4) <= 1e-6) || u.Diff[0] != 0 {
		t.Errorf("L1: step %g, want %g; diff %g, want 0", -got, .2*.4, u.Diff[0])
	}
}

func TestMachine(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	if !slices.Contains([]string{"generic", "avx2", "avx512", "neon"}, kernel.Variant()) {
		t.Errorf("Variant is %q", kernel.Variant())
	}
	if got := kernel.PeakBandwidth(p); !(got > .1 && got < 1e4) {
		t.Errorf("PeakBandwidth is %g GB/s", got)
	}
	if got := kernel.PeakFlops(p); !(got > .1 && got < 1e5) {
		t.Errorf("PeakFlops is %g GFLOP/s", got)
	}
}
