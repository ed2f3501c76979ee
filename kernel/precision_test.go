package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
)

// TestPrecision compares products in bfloat16, whose factors are off by up to 1/256, with
// those in float32.
func TestPrecision(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	compare := func(name string, single, rounded []float32) {
		t.Helper()
		var difference, norm float64
		for i, v := range single {
			d := float64(rounded[i]) - float64(v)
			difference, norm = difference+d*d, norm+float64(v)*float64(v)
		}
		if d := math.Sqrt(difference / norm); !(d > 1e-4 && d < 5e-3) {
			t.Errorf("%s: BF16 differs from FP32 by %.2g of the norm, want 1e-4 to 5e-3", name, d)
		}
	}
	const m, n, k = 50, 60, 70
	a, b := random(m*k), random(n*k)
	var products [2][]float32
	for p := kernel.FP32; p <= kernel.BF16; p++ {
		products[p] = make([]float32, m*n)
		p.Gemm(nil, false, true, m, n, k, 1, a, k, b, k, 0, products[p], n)
	}
	compare("Gemm", products[0], products[1])

	g := kernel.ConvParams{
		Batch: 2, Channels: 20, Outputs: 12, Group: 1, In: []int{9, 8},
		Kernel: []int{3, 3}, Pad: []int{1, 1}, Stride: []int{1, 1}, Dilation: []int{1, 1},
	}
	x, w, dy := random(2*20*72), random(12*20*9), random(2*12*72)
	var y, dx, dw [2][]float32
	for p := kernel.FP32; p <= kernel.BF16; p++ {
		c, err := p.NewConv(g)
		if err != nil {
			t.Fatal(err)
		}
		y[p], dx[p], dw[p] = make([]float32, len(dy)), make([]float32, len(x)), make([]float32, len(w))
		c.Forward(nil, x, w, nil, y[p])
		c.BackwardData(nil, w, dy, dx[p])
		c.BackwardWeights(nil, x, dy, dw[p], nil)
	}
	compare("Forward", y[0], y[1])
	compare("BackwardData", dx[0], dx[1])
	compare("BackwardWeights", dw[0], dw[1])
	g.Direct = true
	c, err := kernel.BF16.NewConv(g)
	if err != nil {
		t.Fatal(err)
	}
	direct, want := make([]float32, len(dy)), make([]float32, len(dy))
	c.Forward(nil, x, w, nil, direct)
	if c, err = kernel.NewConv(g); err != nil {
		t.Fatal(err)
	}
	c.Forward(nil, x, w, nil, want)
	for i := range want {
		if direct[i] != want[i] {
			t.Fatal("a convolution with Direct set is rounded")
		}
	}
}
