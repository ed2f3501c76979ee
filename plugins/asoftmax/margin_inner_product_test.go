package asoftmax_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/asoftmax"
)

func layer(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "l" type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" top: "lambda"
		margin_inner_product_param { %s weight_filler { type: "gaussian" std: 1 } } %s }`, options, strings.Join(more, " "))
}

// labels returns n classes.
func labels(n, classes int) *blob.Blob {
	b := layertest.Uniform(7, 0, float32(classes), n)
	for i, v := range b.Data() {
		b.MutableData()[i] = float32(int(v))
	}
	return b
}

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered == 0 && counts.Passed["MarginInnerProduct"] != 6 {
		t.Errorf("%d cases passed, want 6", counts.Passed["MarginInnerProduct"])
	}
}

// TestGradient checks the one gradient that is the derivative: that of the
// items without a margin.
func TestGradient(t *testing.T) {
	f := layertest.New(t, layer("num_output: 4"), layertest.Gaussian(1, 9, 5), labels(9, 4))
	layertest.CheckGradient(t, f, layertest.GradientOptions{Params: []int{}, Tops: []int{0}})
}

// psi is the margin by its definition.
func psi(m int, cos float64) float64 {
	angle := float64(m) * math.Acos(cos)
	turns := math.Floor(angle / math.Pi)
	return math.Pow(-1, turns)*math.Cos(angle) - 2*turns
}

// TestMargin compares scores and gradients with the formulas of the layer's
// documentation, ψ and its slope being computed from the angle.
func TestMargin(t *testing.T) {
	const n, k, m = 4, 3, 20
	const lambda = 0.5
	for factor, typ := range []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"} {
		factor++
		x, label := layertest.Gaussian(1, m, k), labels(m, n)
		f := layertest.New(t, layer(fmt.Sprintf("num_output: %d type: %s base: %g", n, typ, lambda)), x, label)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		dy := f.Top[0].MutableDiff()
		layers.NewRand(3).Gaussian(nil, 0, 0, 1, dy)
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		w := f.Params()[0].Data()
		close := func(what string, i int, got float32, want float64) {
			if math.Abs(float64(got)-want) > 2e-4*(1+math.Abs(want)) {
				t.Errorf("%s: %s %d is %g, want %g", typ, what, i, got, want)
			}
		}
		dw := make([]float64, n*k)
		for c := range n {
			var ww float64
			for j := range k {
				ww += float64(w[c*k+j]) * float64(w[c*k+j])
			}
			close("square of the length of class", c, float32(ww), 1)
		}
		for i := range m {
			dx := make([]float64, k)
			for c := range n {
				var dot, xx float64
				for j := range k {
					a, b := float64(x.Data()[i*k+j]), float64(w[c*k+j])
					dot, xx = dot+a*b, xx+a*a
				}
				norm, g := math.Sqrt(xx), float64(dy[i*n+c])
				score, p, q := dot, 1.0, 0.0
				if c == int(label.Data()[i]) {
					cos := dot / norm
					score = (norm*psi(factor, cos) + lambda*dot) / (1 + lambda)
					const h = 1e-6
					slope := (psi(factor, cos+h) - psi(factor, cos-h)) / (2 * h)
					if factor > 1 {
						p, q = slope, (psi(factor, cos)-cos*slope)/norm
						length := math.Hypot(p, q)
						p, q = (p/length+lambda)/(1+lambda), q/length/(1+lambda)
					}
				}
				close("score", i*n+c, f.Top[0].Data()[i*n+c], score)
				for j := range k {
					dx[j] += g * (p*float64(w[c*k+j]) + q*float64(x.Data()[i*k+j]))
					dw[c*k+j] += g * float64(x.Data()[i*k+j])
				}
			}
			for j := range k {
				close("gradient of x", i*k+j, x.Diff()[i*k+j], dx[j])
			}
		}
		for i, want := range dw {
			close("gradient of the weights", i, f.Params()[0].Diff()[i], want)
		}
	}
}

// TestZeroLength checks that an item and a class of length 0 have finite scores
// and gradients.
func TestZeroLength(t *testing.T) {
	for _, typ := range []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"} {
		x := layertest.Values([]float32{0, 0, 1, 2}, 2, 2)
		f := layertest.New(t, layer("num_output: 2 type: "+typ), x, layertest.Values([]float32{0, 1}, 2))
		clear(f.Params()[0].MutableData()[2:])
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		copy(f.Top[0].MutableDiff(), []float32{1, 2, 3, 4})
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		for _, v := range slices.Concat(f.Top[0].Data(), x.Diff(), f.Params()[0].Diff()) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: scores %v, gradients %v and %v", typ, f.Top[0].Data(), x.Diff(), f.Params()[0].Diff())
			}
		}
	}
}

// TestState checks that lambda goes on where another run has stopped.
func TestState(t *testing.T) {
	make := func() *layertest.Fixture {
		return layertest.New(t, layer("num_output: 2 base: 1000 gamma: 0.1"), layertest.Gaussian(1, 2, 2), labels(2, 2))
	}
	run := func(f *layertest.Fixture, n int) float32 {
		for range n {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		return f.Top[1].Data()[0]
	}
	first, second := make(), make()
	run(first, 4)
	if err := second.Layer.(layers.Stateful).SetState(first.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	if got := run(second, 6); got != 500 {
		t.Errorf("lambda of pass 10 is %g after a restart, want 1000/(1 + 0.1·10)", got)
	}
}

func TestPromises(t *testing.T) {
	for _, typ := range []string{"SINGLE", "QUADRUPLE"} {
		x, label := layertest.Gaussian(1, 200, 170), labels(200, 50)
		layertest.CheckThreads(t, layer("num_output: 50 type: "+typ), x, label)
		layertest.CheckAllocs(t, layer("num_output: 50 type: "+typ), x, label)
	}
}

// TestErrors checks that errors name this layer's field; what else is wrong is
// the same as for LargeMarginInnerProduct.
func TestErrors(t *testing.T) {
	x, label := layertest.Gaussian(1, 3, 4), labels(3, 2)
	layertest.CheckError(t, 2, `layer "l": num_output is 0, want 1 to 2147483647`,
		`layer { name: "l" type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y"`+"\nmargin_inner_product_param { } }", x, label)
	layertest.CheckError(t, 3, `layer "l": lambda_min is -5, want 0 or more`,
		`layer { name: "l" type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y"`+"\nmargin_inner_product_param { num_output: 2\nlambda_min: -5 } }", x, label)
	f := layertest.New(t, layer("num_output: 2"), x, label)
	f.Propagate[1] = true
	if err := f.Backward(); err == nil || !strings.HasSuffix(err.Error(), "layers of type MarginInnerProduct cannot backpropagate to bottom 1") {
		t.Errorf("a gradient for the labels: error %v", err)
	}
}
