// Package margintest tests layers built with package margin.
package margintest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// A Layer is a layer type to test.
type Layer struct {
	Type  string
	Field string // the field of LayerParameter with the margin.Options
}

// Factors are the values of the option type, ordered by their factor m of the
// angle, from 1 on.
var Factors = []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"}

// Psi computes the margin from its definition: (-1)ⁿ cos mθ - 2n for θ from nπ/m to
// (n+1)π/m.
func Psi(m int, cos float64) float64 {
	angle := float64(m) * math.Acos(cos)
	n := math.Floor(angle / math.Pi)
	return math.Pow(-1, n)*math.Cos(angle) - 2*n
}

// Text returns a layer "l" with bottoms x and label and tops y and lambda, the given
// options and weights of standard deviation 1. more are other fields of the layer.
func (l Layer) Text(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "l" type: %q bottom: "x" bottom: "label" top: "y" top: "lambda"
		%s { %s weight_filler { type: "gaussian" std: 1 } } %s }`, l.Type, l.Field, options, strings.Join(more, " "))
}

// Test runs all tests that do not depend on the lengths of vectors. Golden values
// and the gradient are left to the caller.
func Test(t *testing.T, l Layer) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"Scores", l.scores},
		{"ZeroLength", l.zeroLength},
		{"State", l.state},
		{"OneTop", l.oneTop},
		{"Device", l.device},
		{"Promises", l.promises},
		{"Errors", l.errors},
	} {
		t.Run(test.name, test.run)
	}
}

// scores compares the scores with their definition by the angle.
func (l Layer) scores(t *testing.T) {
	const n, k, m, lambda = 4, 3, 20, 0.5
	for i, factor := range Factors {
		x, label := layertest.Gaussian(1, m, k), layertest.Labels(7, n, m)
		f := layertest.New(t, l.Text(fmt.Sprintf("num_output: %d type: %s base: %g", n, factor, lambda)), x, label)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		w := f.Params()[0].Data()
		for item := range m {
			for c := range n {
				var dot, xx, ww float64
				for j := range k {
					a, b := float64(x.Data()[item*k+j]), float64(w[c*k+j])
					dot, xx, ww = dot+a*b, xx+a*a, ww+b*b
				}
				want := dot
				if c == int(label.Data()[item]) {
					length := math.Sqrt(xx * ww)
					want = (length*Psi(i+1, dot/length) + lambda*dot) / (1 + lambda)
				}
				if got := f.Top[0].Data()[item*n+c]; !(math.Abs(float64(got)-want) <= 1e-5*(1+math.Abs(want))) {
					t.Errorf("%s: score %d of item %d is %g, want %g", factor, c, item, got, want)
				}
			}
		}
	}
}

// zeroLength checks that an item and a class of length 0 have finite scores and
// gradients.
func (l Layer) zeroLength(t *testing.T) {
	for _, factor := range Factors {
		x := layertest.Values([]float32{0, 0, 1, 2}, 2, 2)
		f := layertest.New(t, l.Text("num_output: 2 type: "+factor), x, layertest.Values([]float32{0, 1}, 2))
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
				t.Fatalf("%s: scores %v, gradients %v and %v", factor, f.Top[0].Data(), x.Diff(), f.Params()[0].Diff())
			}
		}
	}
}

// state checks that λ continues where another run stopped, and that passes of both
// phases count.
func (l Layer) state(t *testing.T) {
	fixture := func(phase string) *layertest.Fixture {
		return layertest.New(t, l.Text("num_output: 2 type: DOUBLE base: 1000 gamma: 0.1 iteration: 3", "phase: "+phase),
			layertest.Gaussian(1, 2, 2), layertest.Labels(7, 2, 2))
	}
	run := func(f *layertest.Fixture, n int) float32 {
		for range n {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		return f.Top[1].Data()[0]
	}
	whole := run(fixture("TEST"), 7)
	first, second := fixture("TRAIN"), fixture("TRAIN")
	run(first, 4)
	if err := second.Layer.(layers.Stateful).SetState(first.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	if got := run(second, 3); got != whole || whole != 500 {
		t.Errorf("lambda of pass 10 is %g after a restart and %g without, want 1000/(1 + 0.1·10)", got, whole)
	}
}

// oneTop checks that the top for λ is optional.
func (l Layer) oneTop(t *testing.T) {
	both := layertest.New(t, l.Text("num_output: 2 type: TRIPLE"), layertest.Gaussian(1, 2, 2), layertest.Labels(7, 2, 2))
	one := layertest.New(t, strings.Replace(l.Text("num_output: 2 type: TRIPLE"), `top: "lambda"`, "", 1), both.Bottom...)
	for _, f := range []*layertest.Fixture{both, one} {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(one.Top[0].Data(), both.Top[0].Data()) {
		t.Errorf("scores are %v without a top for lambda and %v with one", one.Top[0].Data(), both.Top[0].Data())
	}
}

// device compares the passes on a GPU with those on the host. Several items share a
// class, and one has length 0.
func (l Layer) device(t *testing.T) {
	d := cudatest.Device(t)
	x, label := layertest.Gaussian(1, 20, 37), layertest.Values(make([]float32, 20), 20)
	clear(x.MutableData()[3*37 : 4*37])
	for i := range label.MutableData() {
		label.MutableData()[i] = float32(i * i % 7)
	}
	for _, factor := range Factors {
		text := l.Text("num_output: 70 base: 5 gamma: 0.1 type: " + factor)
		layertest.CheckDevice(t, d, 2e-5, strings.Replace(text, `"gaussian" std: 1`, `"xavier"`, 1), x, label)
	}
}

func (l Layer) promises(t *testing.T) {
	for _, factor := range []string{"SINGLE", "QUADRUPLE"} {
		x, label := layertest.Gaussian(1, 200, 170), layertest.Labels(7, 50, 200)
		layertest.CheckThreads(t, l.Text("num_output: 50 type: "+factor), x, label)
		layertest.CheckAllocs(t, l.Text("num_output: 50 type: "+factor), x, label)
	}
}

func (l Layer) errors(t *testing.T) {
	x, label := layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3)
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
		text := fmt.Sprintf("layer { name: \"l\" type: %q bottom: \"x\" bottom: \"label\" top: \"y\"\n%s { %s } }", l.Type, l.Field, test.options)
		layertest.CheckError(t, test.line, `layer "l": `+test.want, text, x, label)
	}
	layertest.CheckError(t, 1, `layer "l": got labels of shape [2], which are 2, want 3 x 1 = 3, one for each place that has 2 scores`,
		l.Text("num_output: 2"), x, layertest.Labels(7, 2, 2))

	f := layertest.New(t, l.Text("num_output: 2"), x, layertest.Values([]float32{0, 1, 2}, 3))
	fails := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	fails(f.Forward(), "label 2 of item 2 is out of range: the scores have 2 classes, which count from 0")
	f.Propagate[1] = true
	fails(f.Backward(), "layers of type "+l.Type+" cannot backpropagate to bottom 1")
	if err := x.Reshape(3, 5); err != nil {
		t.Fatal(err)
	}
	fails(f.Forward(), "bottom has shape [3 5] and items of 5 elements, the weights are for items of 4")
}
