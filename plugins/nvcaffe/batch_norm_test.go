package nvcaffe_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/common"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/nvcaffe"
)

// layer is a BatchNorm of the fork with options and further fields of the layer.
func layer(top, options, more string) string {
	return fmt.Sprintf("# gocaffe: dialect nvcaffe\nlayer { name: %q type: %q bottom: %q top: %q batch_norm_param { %s } %s }",
		"l", "BatchNorm", "x", top, options, more)
}

const fillers = `scale_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } eps: 0.01 `

func forward(t *testing.T, f *layertest.Fixture) {
	t.Helper()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
}

// TestValues compares three passes in training and one in TEST with the formulas in
// float64: there are no values of the fork itself.
func TestValues(t *testing.T) {
	layertest.Checked(t, "BatchNorm of nvcaffe", layertest.Reference)
	const n, c, s, keep, eps = 3, 2, 5, 0.75, 0.01
	weights := [][]float32{{1.5, -2}, {0.25, 3}}
	for _, top := range []string{"x", "y"} {
		var mean, variance [c]float64
		train := layertest.New(t, layer(top, "scale_bias: true eps: 0.01 moving_average_fraction: 0.75", ""), input(1, n, c, s))
		for i, w := range weights {
			copy(train.Params()[3+i].MutableData(), w)
		}
		check := func(what string, got []float32, x []float32, mean, variance [c]float64) {
			for i := range got {
				ch := i / s % c
				want := float64(weights[0][ch])*(float64(x[i])-mean[ch])/math.Sqrt(variance[ch]+eps) + float64(weights[1][ch])
				if math.Abs(float64(got[i])-want) > 1e-5 {
					t.Errorf("top %s: %s: y[%d] is %g, want %g", top, what, i, got[i], want)
				}
			}
		}
		for pass := range 3 {
			x := input(uint64(pass+1), n, c, s).Data()
			copy(train.Bottom[0].MutableData(), x)
			var m, v [c]float64
			for i, e := range x {
				m[i/s%c] += float64(e) / (n * s)
			}
			for i, e := range x {
				v[i/s%c] += (float64(e) - m[i/s%c]) * (float64(e) - m[i/s%c]) / (n * s)
			}
			forward(t, train)
			check(fmt.Sprint("pass ", pass), train.Top[0].Data(), x, m, v)
			f := keep
			if pass == 0 {
				f = 0
			}
			for ch := range c {
				mean[ch] = f*mean[ch] + (1-f)*m[ch]
				variance[ch] = f*variance[ch] + (1-f)*v[ch]*n*s/(n*s-1)
				for i, want := range []float64{mean[ch], variance[ch]} {
					if got := float64(train.Params()[i].Data()[ch]); math.Abs(got-want) > 1e-5 {
						t.Errorf("pass %d: statistic %d of channel %d is %g, want %g", pass, i, ch, got, want)
					}
				}
			}
		}
		if got := train.Params()[2].Data(); len(got) != 1 || got[0] != 1 {
			t.Errorf("the correction is %v, want 1", got)
		}
		test := layertest.New(t, layer(top, "scale_bias: true eps: 0.01", "phase: TEST"), input(9, n, c, s))
		for i, p := range train.Params() {
			copy(test.Params()[i].MutableData(), p.Data())
		}
		forward(t, test)
		check("TEST", test.Top[0].Data(), input(9, n, c, s).Data(), mean, variance)
		if got := string(train.Layer.(layers.Stateful).State()); got != "3" {
			t.Errorf("the state is %q, want 3 passes", got)
		}
	}
}

func input(seed uint64, shape ...int) *blob.Blob { return layertest.Gaussian(seed, shape...) }

// TestParams checks which weights there are and what is learned of them.
func TestParams(t *testing.T) {
	for options, want := range map[string]int{
		"": 3, "scale_bias: false": 3, "scale_bias: true": 5, "scale_filler { value: 2 }": 5, "bias_filler { value: 2 }": 5,
	} {
		f := layertest.New(t, layer("y", options, "param { lr_mult: 7 } param {} param {} param { lr_mult: 3 decay_mult: 2 }"), input(1, 2, 3, 4))
		if got := len(f.Params()); got != want {
			t.Errorf("%s: %d weights, want %d", options, got, want)
		}
		for i, p := range f.Spec.Param.Param {
			mult := float32(1)
			if i < 3 {
				mult = 0
			}
			if i < want && (p.GetLrMult() != mult || p.GetDecayMult() != mult) {
				t.Errorf("%s: multipliers of weights %d are %g and %g, want %g", options, i, p.GetLrMult(), p.GetDecayMult(), mult)
			}
		}
	}
	f := layertest.New(t, layer("y", "scale_bias: true", ""), input(1, 2, 3, 4))
	if got := fmt.Sprint(f.Params()[3].Data(), f.Params()[4].Data()); got != "[1 1 1] [0 0 0]" {
		t.Errorf("without fillers scale and bias are %s", got)
	}
}

// TestMeaning checks when a BatchNorm is that of the fork.
func TestMeaning(t *testing.T) {
	for text, want := range map[string]bool{
		"%s":                                false,
		"%s batch_norm_param { eps: 1e-4 }": false,
		"%s batch_norm_param { bias_filler { value: 1 } }": true,
		"%s batch_norm_param { scale_bias: false }":        true,
	} {
		f := layertest.New(t, "layer { "+fmt.Sprintf(text, `name: "l" type: "BatchNorm" bottom: "x" top: "y"`)+" }", input(1, 2, 3))
		if got := f.Info.Dialects != nil; got != want {
			t.Errorf("%s: the fork's is %v, want %v", text, got, want)
		}
	}
}

func TestGradient(t *testing.T) {
	for _, shape := range [][]int{{4, 3, 2, 5}, {7, 3}} {
		for _, top := range []string{"y", "x"} {
			for _, options := range []string{fillers, "eps: 0.1"} {
				for _, phase := range []string{"", "phase: TEST"} {
					t.Run(fmt.Sprint(shape, top, options, phase), func(t *testing.T) {
						f := layertest.New(t, layer(top, options, phase), layertest.Gaussian(1, shape...))
						for i, v := range []float32{0.3, -0.2, 0.1, 1.3, 0.7, 2} {
							f.Params()[i/3].MutableData()[i%3] = v
						}
						params := []int{}
						if len(f.Params()) > 3 {
							params = []int{3, 4}
						}
						layertest.CheckGradient(t, f, layertest.GradientOptions{Params: params, Tolerance: 3e-3})
					})
				}
			}
		}
	}
}

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, options := range []string{fillers, "eps: 0.01"} {
		for _, phase := range []string{"", "phase: TEST"} {
			for _, shape := range [][]int{{4, 18, 5, 5}, {130, 33}} {
				for _, top := range []string{"y", "x"} {
					layertest.CheckDevice(t, d, 1e-5, layer(top, options, phase), layertest.Gaussian(1, shape...))
				}
			}
		}
	}
}

func TestPromises(t *testing.T) {
	for _, options := range []string{fillers, ""} {
		for _, phase := range []string{"", "phase: TEST"} {
			for _, top := range []string{"y", "x"} {
				x := layertest.Gaussian(1, 6, 5, 37, 41)
				layertest.CheckThreads(t, layer(top, options, phase), x)
				layertest.CheckAllocs(t, layer(top, options, phase), x)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	for _, test := range []struct {
		want    string
		options string
		bottom  *blob.Blob
	}{
		{`bottom has shape [7], want at least 2 axes`, "", layertest.Gaussian(1, 7)},
		{`moving_average_fraction is 1.5, want 0 to 1`, "moving_average_fraction: 1.5", x},
		{`eps is +Inf, want a finite number`, "eps: inf", x},
		{`stats_batch_size is 4, want 0: it is an option of the BatchNorm of Intel's Caffe`, "stats_batch_size: 4", x},
		{`filler "gaussian" with std -1, want more than 0`, `scale_filler { type: "gaussian" std: -1 }`, x},
	} {
		layertest.CheckError(t, 2, `layer "l": `+test.want, layer("y", test.options, ""), test.bottom)
	}
}
