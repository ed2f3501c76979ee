package math32

import (
	"math"
	"slices"
	"testing"
)

// Each function against its definition, with arguments that tell their order.
func TestVector(t *testing.T) {
	a, b := []float32{6, -3, 8}, []float32{2, 4, 0.5}
	for _, tt := range []struct {
		name string
		f    func(dst []float32) // dst is {1, 2, 3}
		want []float32
	}{
		{"Fill", func(dst []float32) { Fill(dst, 7) }, []float32{7, 7, 7}},
		{"Axpy", func(dst []float32) { Axpy(2, a, dst) }, []float32{13, -4, 19}},
		{"Axpby", func(dst []float32) { Axpby(2, a, 3, dst) }, []float32{15, 0, 25}},
		{"Scale", func(dst []float32) { Scale(2, a, dst) }, []float32{12, -6, 16}},
		{"AddScalar", func(dst []float32) { AddScalar(dst, a, 2) }, []float32{8, -1, 10}},
		{"Add", func(dst []float32) { Add(dst, a, b) }, []float32{8, 1, 8.5}},
		{"Sub", func(dst []float32) { Sub(dst, a, b) }, []float32{4, -7, 7.5}},
		{"Mul", func(dst []float32) { Mul(dst, a, b) }, []float32{12, -12, 4}},
		{"Div", func(dst []float32) { Div(dst, a, b) }, []float32{3, -0.75, 16}},
		{"Gemv", func(dst []float32) { Gemv(nil, false, 3, 2, 2, []float32{1, 2, 3, 4, 5, 6}, 2, a, 1, dst) }, []float32{1, 14, 27}},
		{"Gemv of the transposed", func(dst []float32) { Gemv(nil, true, 2, 3, 1, []float32{1, 2, 3, 4, 5, 6}, 3, a, 0, dst) }, []float32{-6, -3, 0}},
	} {
		dst := []float32{1, 2, 3}
		if tt.f(dst); !slices.Equal(dst, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, dst, tt.want)
		}
	}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"Sum", Sum(a), 11}, {"Asum", Asum(a), 17}, {"SumSq", SumSq(a), 109}, {"Dot", Dot(a, b), 4}, {"Max", float64(Max(a)), 8},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// Exp and Softmax with its gradient, of a blob of 1 × 2 × 2 numbers. The bound
// is some units in the last place of numbers below 1.
func TestSoftmax(t *testing.T) {
	near := func(name string, got []float32, want ...float64) {
		t.Helper()
		for i := range want {
			if !(math.Abs(float64(got[i])-want[i]) <= 5e-7) {
				t.Errorf("%s: got %v, want %v", name, got, want)
				return
			}
		}
	}
	x, y, dx := []float32{0, -1, -2, -4}, make([]float32, 4), make([]float32, 4)
	Exp(y, x)
	near("Exp", y, 1, math.Exp(-1), math.Exp(-2), math.Exp(-4))
	Softmax(nil, x, y, 1, 2, 2)
	p, q := 1/(1+math.Exp(-2)), 1/(1+math.Exp(-3))
	near("Softmax", y, p, q, 1-p, 1-q)
	SoftmaxBackward(nil, y, []float32{1, 0, 0, 1}, dx, 1, 2, 2)
	near("SoftmaxBackward", dx, p*(1-p), -q*(1-q), -p*(1-p), q*(1-q))
}
