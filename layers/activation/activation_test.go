package activation_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	_ "github.com/gocaffe/gocaffe/layers/activation"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// cases are the layers of this package with all their options.
var cases = []struct {
	name, layer string
	kink        bool // at 0
}{
	{"AbsVal", `type: "AbsVal"`, true},
	{"BNLL", `type: "BNLL"`, false},
	{"Clip", `type: "Clip" clip_param { min: -0.5 max: 0.5 }`, true}, // at 0.5
	{"ELU", `type: "ELU"`, true},
	{"ELU/alpha", `type: "ELU" elu_param { alpha: 0.3 }`, true},
	{"ELU/0", `type: "ELU" elu_param { alpha: 0 }`, true},
	{"ELU/negative", `type: "ELU" elu_param { alpha: -2 }`, true},
	{"Exp", `type: "Exp"`, false},
	{"Exp/base", `type: "Exp" exp_param { base: 3 scale: -0.5 shift: 0.7 }`, false},
	{"Log", `type: "Log" log_param { shift: 6 }`, false},
	{"Log/base", `type: "Log" log_param { base: 0.3 scale: -0.5 shift: 4 }`, false},
	{"Swish", `type: "Swish"`, false},
	{"Swish/beta", `type: "Swish" swish_param { beta: -2.5 }`, false},

	{"ReLU", `type: "ReLU"`, true},
	{"ReLU/slope", `type: "ReLU" relu_param { negative_slope: 0.3 }`, true},
	{"PReLU", `type: "PReLU" prelu_param { filler { type: "gaussian" std: 1 } }`, true},
	{"PReLU/shared", `type: "PReLU" prelu_param { channel_shared: true }`, true},
	{"Sigmoid", `type: "Sigmoid"`, false},
	{"TanH", `type: "TanH"`, false},
	{"Power/1", `type: "Power" power_param { scale: -1.5 shift: 4 }`, false},
	{"Power/2", `type: "Power" power_param { power: 2 scale: 0.5 shift: -0.3 }`, false},
	{"Power/3", `type: "Power" power_param { power: 3 scale: 0.5 shift: 5 }`, false},
	{"Power/-0.37", `type: "Power" power_param { power: -0.37 scale: 0.4 shift: 3 }`, false},
}

func layer(options, top string) string {
	return fmt.Sprintf(`layer { name: "l" bottom: "x" top: %q %s }`, top, options)
}

// TestGolden runs Caffe's golden cases.
func TestGolden(t *testing.T) { layertest.Golden(t, reference.GoldenFS(t, "layers")) }

func TestGradient(t *testing.T) {
	for _, c := range cases {
		for _, shape := range [][]int{{1, 1}, {3, 5}, {2, 3, 4, 5}} {
			for _, top := range []string{"y", "x"} {
				if top == "x" && c.layer[:11] == `type: "Powe` && c.name != "Power/1" {
					continue // not in place, as in Caffe
				}
				t.Run(fmt.Sprint(c.name, shape, top), func(t *testing.T) {
					opts := layertest.GradientOptions{Tolerance: 2e-3}
					if c.name == "Clip" {
						opts.Kink = 0.5
					}
					if c.kink {
						// Within a step of the kink the difference is that of two slopes.
						opts.KinkRange = 0.011
					}
					f := layertest.New(t, layer(c.layer, top), layertest.Gaussian(1701, shape...))
					layertest.CheckGradient(t, f, opts)
				})
			}
		}
	}
}

func TestPromises(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := layertest.Gaussian(1, 3, 5, 61, 67) // several parts, the last not full
			layertest.CheckThreads(t, layer(c.layer, "y"), x)
			layertest.CheckThreads(t, layer(c.layer, "x"), x)
			layertest.CheckAllocs(t, layer(c.layer, "y"), x)
			layertest.CheckAllocs(t, layer(c.layer, "x"), x)
		})
	}
}

// TestPowerConstant checks the cases in which the top does not depend on the
// bottom, whatever that is.
func TestPowerConstant(t *testing.T) {
	for options, want := range map[string]float32{
		`power: 0 shift: -2`:         1,
		`power: 3 scale: 0 shift: 2`: 8,
		`power: 0 scale: 0 shift: 0`: 1,
	} {
		f := layertest.New(t, layer(`type: "Power" power_param { `+options+` }`, "y"),
			layertest.Values([]float32{0, float32(math.NaN()), float32(math.Inf(1))}, 3))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		for i, v := range f.Top[0].Data() {
			if v != want || f.Bottom[0].Diff()[i] != 0 {
				t.Errorf("%s: top %g with gradient %g, want %g and 0", options, v, f.Bottom[0].Diff()[i], want)
			}
		}
	}
}

// TestThreshold checks the threshold itself, NaN, and that there is no gradient.
func TestThreshold(t *testing.T) {
	for _, top := range []string{"x", "y"} {
		f := layertest.New(t, layer(`type: "Threshold" threshold_param { threshold: 0.5 }`, top),
			layertest.Values([]float32{0.5, 0.6, -1, float32(math.NaN()), float32(math.Inf(1))}, 5))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got, want := f.Top[0].Data(), []float32{0, 1, 0, 0, 1}; !slices.Equal(got, want) {
			t.Errorf("top %s: got %v, want %v", top, got, want)
		}
		if f.Propagate[0] {
			t.Error("force_backward reaches the bottom")
		}
		f.Propagate[0] = true
		if err := f.Backward(); err == nil {
			t.Error("no error for a gradient")
		}
	}
}

// TestClipInPlace checks that what was cut off has no gradient in place.
func TestClipInPlace(t *testing.T) {
	f := layertest.New(t, layer(`type: "Clip" clip_param { min: 0 max: 6 }`, "x"), layertest.Values([]float32{-1, 0.001, 3, 5.99, 7}, 5))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	copy(f.Top[0].MutableDiff(), []float32{1, 1, 1, 1, 1})
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if got, want := f.Bottom[0].Diff(), []float32{0, 1, 1, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("gradient %v, want %v", got, want)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		line          int
		want, options string
	}{
		{2, `base is 0, want a number above 0, or -1 for e`, "type: \"Exp\"\nexp_param { base: 0 }"},
		{2, `base is -2, want a number above 0, or -1 for e`, "type: \"Log\"\nlog_param { base: -2 }"},
		{2, `base is NaN, want a number above 0, or -1 for e`, "type: \"Log\"\nlog_param { base: nan }"},
		{2, `base is 1, want another number: its logarithm is 0`, "type: \"Log\"\nlog_param { base: 1 }"},
		{1, `clip_param is missing: set min and max`, `type: "Clip"`},
	} {
		layertest.CheckError(t, c.line, `layer "l": `+c.want, layer(c.options, "y"), layertest.Gaussian(1, 7))
	}
	layertest.CheckError(t, 2, `layer "l": unknown filler type "konstant", did you mean "constant"? (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)`,
		"layer { name: \"l\" bottom: \"x\" top: \"y\" type: \"PReLU\"\nprelu_param { filler { value: 1 type: \"konstant\" } } }", layertest.Gaussian(1, 2, 3))
	layertest.CheckError(t, 1, `layer "l": bottom has shape [7], want at least 2 axes`,
		layer(`type: "PReLU"`, "y"), layertest.Gaussian(1, 7))
	layertest.CheckError(t, 1, `layer "l": layer has 2 bottoms, want 1`,
		`layer { name: "l" type: "ReLU" bottom: "x" bottom: "z" top: "y" }`, layertest.Gaussian(1, 7), layertest.Gaussian(1, 7))
}
