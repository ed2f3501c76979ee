package lsoftmax_test

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
	_ "github.com/gocaffe/gocaffe/plugins/lsoftmax"
)

func layer(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "l" type: "LargeMarginInnerProduct" bottom: "x" bottom: "label" top: "y" top: "lambda"
		largemargin_inner_product_param { %s weight_filler { type: "gaussian" std: 1 } } %s }`, options, strings.Join(more, " "))
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
	if counts.Filtered == 0 && counts.Passed["LargeMarginInnerProduct"] != 13 {
		t.Errorf("%d cases passed, want 13", counts.Passed["LargeMarginInnerProduct"])
	}
}

// TestGradient has more items than classes, so that classes share items.
func TestGradient(t *testing.T) {
	for _, typ := range []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"} {
		for _, base := range []float64{0, 0.7, 100} {
			for _, phase := range []string{"phase: TRAIN", "phase: TEST"} {
				t.Run(fmt.Sprint(typ, base, phase), func(t *testing.T) {
					f := layertest.New(t, layer(fmt.Sprintf("num_output: 4 type: %s base: %g", typ, base), phase), layertest.Gaussian(1, 9, 5), labels(9, 4))
					layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 2e-3, Tolerance: 2e-2, Tops: []int{0}})
				})
			}
		}
	}
	t.Run("axes", func(t *testing.T) {
		f := layertest.New(t, layer("num_output: 3 type: DOUBLE axis: -2"), layertest.Gaussian(2, 3, 2, 2), labels(3, 3))
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 2e-3, Tolerance: 1e-2, Tops: []int{0}})
	})
}

// TestMargin compares the scores with the definition by the angle.
func TestMargin(t *testing.T) {
	const n, k, m = 4, 3, 20
	for factor, typ := range []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"} {
		factor++
		const lambda = 0.5
		x, label := layertest.Gaussian(1, m, k), labels(m, n)
		f := layertest.New(t, layer(fmt.Sprintf("num_output: %d type: %s base: %g", n, typ, lambda)), x, label)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		w := f.Params()[0].Data()
		for i := range m {
			for c := range n {
				var dot, xx, ww float64
				for j := range k {
					a, b := float64(x.Data()[i*k+j]), float64(w[c*k+j])
					dot, xx, ww = dot+a*b, xx+a*a, ww+b*b
				}
				want := dot
				if c == int(label.Data()[i]) {
					angle := float64(factor) * math.Acos(dot/math.Sqrt(xx*ww))
					turns := math.Floor(angle / math.Pi)
					psi := math.Pow(-1, turns)*math.Cos(angle) - 2*turns
					want = (math.Sqrt(xx*ww)*psi + lambda*dot) / (1 + lambda)
				}
				if got := f.Top[0].Data()[i*n+c]; math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("%s: score %d of item %d is %g, want %g", typ, c, i, got, want)
				}
			}
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

// TestState checks that lambda goes on where another run has stopped, and that
// it counts passes in TEST too.
func TestState(t *testing.T) {
	make := func(phase string) *layertest.Fixture {
		return layertest.New(t, layer("num_output: 2 type: DOUBLE base: 1000 gamma: 0.1 iteration: 3", phase), layertest.Gaussian(1, 2, 2), labels(2, 2))
	}
	run := func(f *layertest.Fixture, n int) float32 {
		for range n {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		return f.Top[1].Data()[0]
	}
	whole := run(make("phase: TEST"), 7)
	first, second := make("phase: TRAIN"), make("phase: TRAIN")
	run(first, 4)
	if err := second.Layer.(layers.Stateful).SetState(first.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	if got := run(second, 3); got != whole || whole != 500 {
		t.Errorf("lambda of pass 10 is %g after a restart and %g without, want 1000/(1 + 0.1·10)", got, whole)
	}
}

// TestOneTop checks that lambda need not have a name.
func TestOneTop(t *testing.T) {
	text := strings.Replace(layer("num_output: 2 type: TRIPLE"), `top: "lambda"`, "", 1)
	f := layertest.New(t, text, layertest.Gaussian(1, 2, 2), labels(2, 2))
	layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 2e-3, Tolerance: 1e-2})
}

func TestPromises(t *testing.T) {
	for _, typ := range []string{"SINGLE", "QUADRUPLE"} {
		x, label := layertest.Gaussian(1, 200, 170), labels(200, 50)
		layertest.CheckThreads(t, layer("num_output: 50 type: "+typ), x, label)
		layertest.CheckAllocs(t, layer("num_output: 50 type: "+typ), x, label)
	}
}

func TestErrors(t *testing.T) {
	x, label := layertest.Gaussian(1, 3, 4), labels(3, 2)
	for _, test := range []struct {
		line          int
		want, options string
	}{
		{2, `num_output is 0, want 1 to 2147483647`, `base: 1`},
		{3, `base is -1, want 0 or more`, "num_output: 2\nbase: -1"},
		{3, `lambda_min is NaN, want 0 or more`, "num_output: 2\nlambda_min: nan"},
		{3, `gamma is -0.1, want 0 or more`, "num_output: 2\ngamma: -0.1"},
		{3, `power is +Inf, want a finite number`, "num_output: 2\npower: inf"},
		{3, `iteration is -1, want 0 or more`, "num_output: 2\niteration: -1"},
		{3, `axis 2 is out of range for the 2 axes of shape [3 4]`, "num_output: 2\naxis: 2"},
		{2, `filler "gaussian" with std 0, want more than 0`, `num_output: 2 weight_filler { type: "gaussian" std: 0 }`},
	} {
		text := `layer { name: "l" type: "LargeMarginInnerProduct" bottom: "x" bottom: "label" top: "y"` + "\nlargemargin_inner_product_param { " + test.options + " } }"
		layertest.CheckError(t, test.line, `layer "l": `+test.want, text, x, label)
	}
	layertest.CheckError(t, 1, `layer "l": got labels of shape [2], which are 2, want 3 x 1 = 3, one for each place that has 2 scores`,
		layer("num_output: 2"), x, labels(2, 2))
	f := layertest.New(t, layer("num_output: 2"), x, layertest.Values([]float32{0, 1, 2}, 3))
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "label 2 of item 2 is out of range: the scores have 2 classes, which count from 0") {
		t.Errorf("a label out of range: error %v", err)
	}
	f.Propagate[1] = true
	if err := f.Backward(); err == nil || !strings.HasSuffix(err.Error(), "layers of type LargeMarginInnerProduct cannot backpropagate to bottom 1") {
		t.Errorf("a gradient for the labels: error %v", err)
	}
	if err := x.Reshape(3, 5); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "bottom has shape [3 5] and items of 5 elements, the weights are for items of 4") {
		t.Errorf("another size of the items: error %v", err)
	}
}
