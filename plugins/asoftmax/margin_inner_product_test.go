package asoftmax_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/asoftmax"
	"github.com/gocaffe/gocaffe/plugins/margin/margintest"
)

var layer = margintest.Layer{Type: "MarginInnerProduct", Field: "margin_inner_product_param"}

func Test(t *testing.T) { margintest.Test(t, layer) }

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered == 0 && counts.Passed[layer.Type] != 6 {
		t.Errorf("%d cases passed, want 6", counts.Passed[layer.Type])
	}
}

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	counts := layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t), layer.Type)
	if counts.Filtered == 0 && counts.Passed[layer.Type] == 0 {
		t.Error("no case passed")
	}
}

// TestGradient checks the only gradient that is the derivative: that of the items,
// without a margin.
func TestGradient(t *testing.T) {
	f := layertest.New(t, layer.Text("num_output: 4"), layertest.Gaussian(1, 9, 5), layertest.Labels(7, 4, 9))
	layertest.CheckGradient(t, f, layertest.GradientOptions{Params: []int{}, Tops: []int{0}})
}

// TestBackward compares the lengths of the class vectors and the gradients with the
// formulas in the layer's documentation; the slope of ψ is from its definition.
func TestBackward(t *testing.T) {
	const n, k, m, lambda = 4, 3, 20, 0.5
	for i, factor := range margintest.Factors {
		x, label := layertest.Gaussian(1, m, k), layertest.Labels(7, n, m)
		f := layertest.New(t, layer.Text(fmt.Sprintf("num_output: %d type: %s base: %g", n, factor, lambda)), x, label)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		dy := f.Top[0].MutableDiff()
		layers.NewRand(3).Gaussian(nil, 0, 0, 1, dy)
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		close := func(what string, i int, got float32, want float64) {
			if !(math.Abs(float64(got)-want) <= 2e-4*(1+math.Abs(want))) {
				t.Errorf("%s: %s %d is %g, want %g", factor, what, i, got, want)
			}
		}
		row := func(x []float32, i int) []float32 { return x[i*k : (i+1)*k] }
		w := f.Params()[0].Data()
		for c := range n {
			close("square of the length of class", c, float32(dot(row(w, c), row(w, c))), 1)
		}
		dw := make([]float64, n*k)
		for item := range m {
			dx, xi := make([]float64, k), row(x.Data(), item)
			for c := range n {
				g, p, q := float64(dy[item*n+c]), 1.0, 0.0
				if c == int(label.Data()[item]) && i > 0 {
					p, q = coefficients(i+1, lambda, math.Sqrt(dot(xi, xi)), dot(xi, row(w, c)))
				}
				for j := range k {
					dx[j] += g * (p*float64(w[c*k+j]) + q*float64(xi[j]))
					dw[c*k+j] += g * float64(xi[j])
				}
			}
			for j := range k {
				close("gradient of x", item*k+j, x.Diff()[item*k+j], dx[j])
			}
		}
		for j, want := range dw {
			close("gradient of the weights", j, f.Params()[0].Diff()[j], want)
		}
	}
}

// coefficients returns p and q of the gradient p w + q x of the score of a true
// class, for an item of the given length and its product with w.
func coefficients(m int, lambda, norm, product float64) (p, q float64) {
	const h = 1e-6
	cos := product / norm
	slope := (margintest.Psi(m, cos+h) - margintest.Psi(m, cos-h)) / (2 * h)
	p, q = slope, (margintest.Psi(m, cos)-cos*slope)/norm
	length := math.Hypot(p, q)
	return (p/length + lambda) / (1 + lambda), q / length / (1 + lambda)
}

func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
