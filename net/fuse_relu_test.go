package net

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// TestFuseReLU has convolutions that compute the rectifier after them in training, with the
// bits of separate layers, on any number of threads.
func TestFuseReLU(t *testing.T) {
	pools := []*parallel.Pool{nil, parallel.NewPool(2), parallel.NewPool(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	relu := "layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'c' }\n"
	apart := "layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'r' }\n"
	tanh := "layer { name: 'tanh' type: 'TanH' bottom: 'r' top: 'r' }\n"
	end := "layer { name: 'end' type: 'Power' bottom: 'r' top: 'c1' }\n"
	last := strings.Replace(scores, "bottom: 'c'", "bottom: 'c1'", 1)
	many := strings.NewReplacer("num_output: 7", "num_output: 18 bias_filler { type: 'gaussian' std: 1 }").Replace(convolve)
	deconvolve := strings.NewReplacer("type: 'Convolution'", "type: 'Deconvolution'").Replace(many)
	for _, test := range []struct{ name, layers, fused string }{
		{"in place", convolve + relu + scores, "relu"},
		{"many channels", many + relu + scores, "relu"},
		{"apart", many + apart + end + last, "relu"},
		{"leaky", many + strings.Replace(relu, "}", "relu_param { negative_slope: 0.125 } }", 1) + scores, "relu"},
		{"odd slope", many + strings.Replace(relu, "}", "relu_param { negative_slope: -1 } }", 1) + scores, ""},
		{"of a plugin", many + "layer { name: 'relu' type: 'ForeignActivation' bottom: 'c' top: 'c' }\n" + scores, "relu"},
		{"deconvolution", deconvolve + relu + scores, "relu"},
		{"kernel of one pixel", strings.Replace(many, "kernel_size: 3", "kernel_size: 1", 1) + relu + scores, "relu"},
		{"top changed in place", many + apart + tanh + end + last, ""},
		{"bottom read twice", many + apart + "layer { name: 'silence' type: 'Silence' bottom: 'c' }\n" + end + last, ""},
		{"loss of the rectifier", many + strings.Replace(relu, "}", "loss_weight: 0.5 }", 1) + strings.Replace(scores, "bottom: 'c'", "bottom: 'data'", 1), ""},
		{"no gradient below", many + strings.Replace(relu, "}", "propagate_down: false }", 1) + scores, ""},
		{"another axis", strings.Replace(convolve, "num_output: 7", "axis: 2 num_output: 7", 1) + relu + scores, ""},
		{"with scale", many + "layer { name: 'scale' type: 'Scale' bottom: 'c' top: 'c' }\n" + relu + scores, ""},
		{"normalization", many + "layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' }\n" + relu + scores, "relu"}, // into bn
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range []string{"", "frozen", "forced"} {
				text := channels + test.layers
				switch mode {
				case "frozen":
					text = strings.Replace(text, "bottom: 'data' top: 'c'", "bottom: 'data' top: 'c' param { lr_mult: 0 } param { lr_mult: 0 }", 1)
				case "forced":
					text = "force_backward: true\n" + text
				}
				var want []float32
				for i, pool := range append([]*parallel.Pool{nil}, pools...) {
					opts := Options{State: state(t, "TRAIN"), Seed: 3, Workers: pool}
					if i > 0 {
						opts.Memory = new(Memory)
					}
					n := build(t, text, opts)
					if got := strings.Join(fusedLayers(n), " "); i > 0 && mode == "" && got != test.fused {
						t.Errorf("layers that others compute: %s, want %s", got, test.fused)
					}
					var results []float32
					for range 2 {
						set(n.Blob("data"))
						copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
						results = append(results, iterate(t, n)...)
					}
					if i == 0 {
						want = results
					}
					if test.name == "normalization" {
						continue // rounds otherwise
					}
					if !slices.Equal(results, want) {
						t.Errorf("mode %q, net %d: other bits than those of separate layers", mode, i)
					}
				}
			}
		})
	}
}

// TestFuseReLUOutput has a rectifier whose gradient the user gives.
func TestFuseReLUOutput(t *testing.T) {
	text := "force_backward: true\n" + strings.Replace(channels, "top: 'label'", "", 1) + convolve + "layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'r' }\n"
	text = strings.Replace(text, " shape { dim: 4 }", "", 1)
	var results [2][]float32
	for i, m := range []*Memory{nil, new(Memory)} {
		n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 3, Memory: m})
		for range 2 {
			set(n.Blob("data"))
			forward(t, n)
			n.ClearParamDiffs()
			for k := range n.Blob("r").MutableDiff() {
				n.Blob("r").MutableDiff()[k] = float32(k%5) - 2
			}
			if err := n.Backward(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		results[i] = slices.Clone(n.Params()[0].Blob.Diff())
	}
	if !slices.Equal(results[0], results[1]) {
		t.Error("other gradients than those of separate layers")
	}
}
