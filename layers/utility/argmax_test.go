package utility

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestArgMax compares with a rank counted number by number, where many numbers
// are equal.
func TestArgMax(t *testing.T) {
	for _, c := range []struct {
		options         string
		shape, want     []int
		outer, n, inner int
		topK            int
		values          bool
	}{
		{"", []int{3, 20}, []int{3, 1, 1}, 3, 20, 1, 1, false},
		{"top_k: 5", []int{3, 4, 5}, []int{3, 1, 5}, 3, 20, 1, 5, false},
		{"top_k: 20", []int{3, 2, 2, 5, 1}, []int{3, 1, 20, 1, 1}, 3, 20, 1, 20, false},
		{"axis: 1", []int{3, 20, 7}, []int{3, 1, 7}, 3, 20, 7, 1, false},
		{"axis: -2 top_k: 4", []int{3, 20, 7}, []int{3, 4, 7}, 3, 20, 7, 4, false},
		{"axis: 1 top_k: 4 out_max_val: true", []int{3, 20, 7}, []int{3, 4, 7}, 3, 20, 7, 4, true},
		{"axis: 0", []int{9}, []int{1}, 1, 9, 1, 1, false},
	} {
		t.Run(c.options, func(t *testing.T) {
			x := layertest.Uniform(3, 0, 6, c.shape...)
			for i, v := range x.Data() {
				x.MutableData()[i] = float32(math.Floor(float64(v)))
			}
			f := layertest.New(t, layer("ArgMax", 1, 1, "argmax_param { "+c.options+" }"), x)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if !f.Top[0].ShapeEqual(c.want) {
				t.Fatalf("shape %v, want %v", f.Top[0].Shape(), c.want)
			}
			for o := range c.outer {
				for j := range c.inner {
					at := func(k int) float32 { return x.Data()[(o*c.n+k)*c.inner+j] }
					for k := range c.n {
						rank := 0 // how many come before k
						for m := range c.n {
							if at(m) > at(k) || at(m) == at(k) && m > k {
								rank++
							}
						}
						if rank >= c.topK {
							continue
						}
						want := float32(k)
						if c.values {
							want = at(k)
						}
						if got := f.Top[0].Data()[(o*c.topK+rank)*c.inner+j]; got != want {
							t.Fatalf("rank %d of (%d, %d) is %g, want %g", rank, o, j, got, want)
						}
					}
				}
			}
		})
	}
}

func TestArgMaxPairs(t *testing.T) {
	nan := float32(math.NaN())
	f := layertest.New(t, layer("ArgMax", 1, 1, "argmax_param { top_k: 2 out_max_val: true }"),
		layertest.Values([]float32{5, 7, 7, 1, nan, -2, nan, -3}, 2, 4))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if !f.Top[0].ShapeEqual([]int{2, 2, 2}) {
		t.Fatalf("shape %v, want [2 2 2]", f.Top[0].Shape())
	}
	same(t, "pairs", f.Top[0].Data(), []float32{2, 1, 7, 7, 1, 3, -2, -3})

	one := layertest.New(t, layer("ArgMax", 1, 1, ""), layertest.Values([]float32{nan, -2, nan, -3}, 1, 4))
	if err := one.Forward(); err != nil {
		t.Fatal(err)
	}
	same(t, "index", one.Top[0].Data(), []float32{1})
	one.Propagate[0] = true
	if err := one.Backward(); err == nil {
		t.Error("no error for a gradient")
	}
}

// TestArgMaxShrinks checks that top_k is compared with each new shape.
func TestArgMaxShrinks(t *testing.T) {
	f := layertest.New(t, layer("ArgMax", 1, 1, "argmax_param { top_k: 3 }"), layertest.Gaussian(1, 2, 3))
	if err := f.Bottom[0].Reshape(3, 2); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`layer.prototxt:5:25: layer "l": got top_k 3 for a bottom of shape %v, want at most 2`, []int{3, 2})
	if err := f.Layer.Reshape(f.Bottom, []*blob.Blob{f.Top[0]}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
