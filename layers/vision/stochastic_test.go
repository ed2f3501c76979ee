package vision_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestStochasticShares samples many times and compares the frequency of each element of
// a window with its share of the sum.
func TestStochasticShares(t *testing.T) {
	const windows = 40000
	weights := []float32{1, 0, 5, 2, 2, 0}
	x := slices.Repeat(weights, windows)
	f := layertest.New(t, pool(`pool: STOCHASTIC kernel_h: 2 kernel_w: 3`), layertest.Values(x, 1, windows, 2, 3))
	draw := func() []float32 {
		t.Helper()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(f.Top[0].Data())
	}
	first := draw()
	if !slices.Equal(draw(), first) {
		t.Error("the same pass draws different elements")
	}
	f.Spec.Env.Pass++
	if slices.Equal(draw(), first) {
		t.Error("the next pass draws the same elements")
	}
	for i := range f.Top[0].MutableDiff() {
		f.Top[0].MutableDiff()[i] = 1
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	var drawn [6]float64
	for i, v := range f.Bottom[0].Diff() {
		if v != 0 && v != 1 {
			t.Fatalf("diff[%d] = %g, want 0 or 1", i, v)
		}
		if v == 1 && f.Top[0].Data()[i/6] != weights[i%6] {
			t.Fatalf("the gradient of window %d went to an element %g, but the top is %g", i/6, weights[i%6], f.Top[0].Data()[i/6])
		}
		drawn[i%6] += float64(v)
	}
	for i, n := range drawn {
		p := float64(weights[i]) / 10
		// Five standard deviations of a binomial distribution.
		if limit := 5 * math.Sqrt(windows*p*(1-p)); math.Abs(n-windows*p) > limit {
			t.Errorf("element %d of the windows was drawn %g times, want %g within %g", i, n, windows*p, limit)
		}
	}
}

// TestStochasticWeighs checks the mean in TEST, and windows that have none.
func TestStochasticWeighs(t *testing.T) {
	f := layertest.New(t, layer(`type: "Pooling" phase: TEST pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }`),
		layertest.Values([]float32{1, 3, 0, 0, 2, 2, 0, 0}, 1, 1, 2, 4))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got, want := f.Top[0].Data(), []float32{(1 + 9 + 4 + 4) / 8., 0}; !slices.Equal(got, want) {
		t.Errorf("top %v, want %v", got, want)
	}
	copy(f.Top[0].MutableDiff(), []float32{8, 8})
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	// dy (2x - y)/sum
	if got, want := f.Bottom[0].Diff(), []float32{2 - 2.25, 6 - 2.25, 0, 0, 4 - 2.25, 4 - 2.25, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("gradient %v, want %v", got, want)
	}
}
