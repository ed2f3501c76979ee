package net

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// TestFuseSum has residual blocks, whose last BatchNorm computes sum and rectifier too, and
// says which layers others compute. The results are those of separate sums to the last bit,
// on any number of threads, and to rounding those of nets whose blobs keep their values.
func TestFuseSum(t *testing.T) {
	pools := []*parallel.Pool{nil, parallel.NewPool(2), parallel.NewPool(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	layer := func(name, typ, bottoms, tops, more string) string {
		text := fmt.Sprintf("layer { name: '%s' type: '%s' ", name, typ)
		for _, b := range strings.Fields(bottoms) {
			text += "bottom: '" + b + "' "
		}
		for _, top := range strings.Fields(tops) {
			text += "top: '" + top + "' "
		}
		return text + more + " }\n"
	}
	conv := func(bottom, top string) string {
		return layer(top, "Convolution", bottom, top, "convolution_param { num_output: 7 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } }")
	}
	bn := func(top string) string { return layer("bn-"+top, "BatchNorm", top, top, "") }
	scale := func(top string) string {
		return layer("scale-"+top, "Scale", top, top, "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }")
	}
	relu := func(top string) string { return layer("relu-"+top, "ReLU", top, top, "") }
	sum := func(bottoms, top, more string) string { return layer(top, "Eltwise", bottoms, top, more) }
	tanh := func(top string) string { return layer("tanh-"+top, "TanH", top, top, "") }
	below := conv("data", "x") + tanh("x") // every block reads x
	main := conv("x", "c") + bn("c") + scale("c")
	block := main + sum("x c", "y", "") + relu("y")
	second := strings.NewReplacer("'x'", "'y'", "c'", "d'", "'y'", "'z'", "-y'", "-z'").Replace(block)
	ends := func(bottom string) string { return strings.Replace(scores, "bottom: 'c'", "bottom: '"+bottom+"'", 1) }
	for _, test := range []struct{ name, layers, fused string }{
		{"block", block + ends("y"), "scale-c y relu-y"},
		{"other order of bottoms", strings.Replace(block, "bottom: 'x' bottom: 'c'", "bottom: 'c' bottom: 'x'", 1) + ends("y"), "scale-c y relu-y"},
		{"no rectifier", main + sum("x c", "y", "") + ends("y"), "scale-c y"},
		{"no scale", conv("x", "c") + bn("c") + sum("x c", "y", "") + relu("y") + ends("y"), "y relu-y"},
		{"two blocks", block + second + ends("z"), "scale-c y relu-y y_relu-y_0_split scale-d z relu-z"},
		{"two blocks without rectifiers", strings.NewReplacer(relu("y"), "", relu("z"), "").Replace(block+second) + ends("z"), "scale-c y y_y_0_split scale-d z"},
		{"three readers", block + conv("y", "e") + second + sum("z e", "end", "") + ends("end"), "scale-c y relu-y y_relu-y_0_split scale-d z relu-z"},
		{"reader without gradient", block + layer("silence", "Silence", "y", "", "") + ends("y"), "scale-c y relu-y y_relu-y_0_split"},
		{"reader without gradient last", block + strings.Replace(ends("y"), "layer { name: 'loss'", layer("silence", "Silence", "y", "", "")+"layer { name: 'loss'", 1), "scale-c y relu-y y_relu-y_0_split"},
		{"projection", conv("x", "p") + bn("p") + scale("p") + main + sum("p c", "y", "") + relu("y") + ends("y"), "scale-p scale-c y relu-y"},
		{"projection last", main + conv("x", "p") + bn("p") + scale("p") + sum("p c", "y", "") + relu("y") + ends("y"), "scale-c scale-p y relu-y"},
		{"summand computed last", main + conv("x", "p") + sum("p c", "y", "") + relu("y") + ends("y"), "scale-c"},
		{"not in place", conv("x", "c") + layer("bn", "BatchNorm", "c", "n", "") + layer("scale", "Scale", "n", "s", "") + sum("x s", "y", "") + layer("relu", "ReLU", "y", "r", "") + ends("r"), "scale y relu"},
		{"top changed in place", block + tanh("y") + ends("y"), "scale-c y"},
		{"top changed in place through another blob", main + sum("x c", "y", "") + layer("relu", "ReLU", "y", "r", "") + layer("flat", "Flatten", "r", "f", "") + tanh("f") + ends("f"), "scale-c y"},
		{"leaky", main + sum("x c", "y", "") + layer("leaky", "ReLU", "y", "y", "relu_param { negative_slope: 0.125 }") + ends("y"), "scale-c y leaky"},
		{"odd slope", main + sum("x c", "y", "") + layer("leaky", "ReLU", "y", "y", "relu_param { negative_slope: -1 }") + ends("y"), "scale-c y"},
		{"coefficients", main + sum("x c", "y", "eltwise_param { coeff: 1 coeff: -1 }") + relu("y") + ends("y"), "scale-c"},
		{"product", main + sum("x c", "y", "eltwise_param { operation: PROD }") + relu("y") + ends("y"), "scale-c"},
		{"sum of three", conv("x", "p") + main + sum("x c p", "y", "") + relu("y") + ends("y"), "scale-c"},
		{"no gradient of the summand", main + sum("x c", "y", "propagate_down: false propagate_down: true") + relu("y") + ends("y"), "scale-c"},
		{"summand without a gradient", strings.ReplaceAll(conv("data", "c")+bn("c")+scale("c"), "num_output: 7", "num_output: 3") + sum("data c", "y", "") + relu("y") + ends("y"), "scale-c"},
		{"loss of the sum", main + sum("x c", "y", "loss_weight: 0.5") + layer("relu", "ReLU", "y", "r", "") + ends("r"), "scale-c y"},
		{"loss of the rectifier", main + sum("x c", "y", "") + layer("relu", "ReLU", "y", "r", "loss_weight: 0.5") + ends("r"), "scale-c y relu"},
		{"groups of items", strings.Replace(block, "type: 'BatchNorm'", "type: 'BatchNorm' batch_norm_param { stats_batch_size: 2 }", 1) + ends("y"), "scale-c y relu-y"},
		{"running statistics", strings.Replace(block, "type: 'BatchNorm'", "type: 'BatchNorm' batch_norm_param { use_global_stats: true }", 1) + ends("y"), "scale-c y relu-y"},
		{"running statistics, frozen, no rectifier", conv("x", "c") + layer("bn-c", "BatchNorm", "c", "c", "batch_norm_param { use_global_stats: true }") + sum("x c", "y", "") + ends("y"), "y"},
		{"of a plugin", conv("x", "c") + bn("c") + layer("affine", "ForeignAffine", "c", "c", "") + sum("x c", "y", "") + layer("act", "ForeignActivation", "y", "y", "") + ends("y"), "affine y act"},
		{"through a Flatten", block + layer("flat", "Flatten", "y", "f", "") + ends("f"), "scale-c y relu-y"},
		{"shared weights", strings.ReplaceAll(block+second, "type: 'Scale'", "type: 'Scale' param { name: 'a' } param { name: 'b' }") + ends("z"), "scale-c y relu-y y_relu-y_0_split scale-d z relu-z"},
		{"planes of one element", layer("a", "InnerProduct", "x", "a", "inner_product_param { num_output: 9 weight_filler { type: 'xavier' } }") +
			layer("c", "InnerProduct", "a", "c", "inner_product_param { num_output: 9 weight_filler { type: 'xavier' } }") + bn("c") + scale("c") + sum("a c", "y", "") + relu("y") + ends("y"), "scale-c y relu-y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range []string{"", "frozen", "frozen block", "forced"} {
				text := channels + below + test.layers
				switch frozen := "param { lr_mult: 0 } param { lr_mult: 0 } "; mode {
				case "frozen":
					text = strings.Replace(text, "bottom: 'data' top: 'x' ", "bottom: 'data' top: 'x' "+frozen, 1)
				case "frozen block":
					text = strings.Replace(text, "bottom: 'x' top: 'c' ", "bottom: 'x' top: 'c' "+frozen, 1)
					text = strings.Replace(text, "type: 'Scale' bottom: 'c' top: 'c' ", "type: 'Scale' bottom: 'c' top: 'c' "+frozen, 1)
				case "forced":
					text = "force_backward: true\n" + text
				}
				file := parse(t, text)
				make := func(opts Options) *Net {
					opts.State, opts.Seed = state(t, "TRAIN"), 3
					n, err := New(file, opts)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { n.Close() })
					return n
				}
				plain := make(Options{})
				nets := []*Net{make(Options{Memory: new(Memory), Keep: []string{"c", "d", "p", "s", "y"}})}
				for _, pool := range pools {
					nets = append(nets, make(Options{Memory: new(Memory), Workers: pool}))
				}
				fused := nets[1]
				if got := strings.Join(fusedLayers(fused), " "); mode == "" && got != test.fused {
					t.Errorf("layers that others compute: %s, want %s", got, test.fused)
				}
				if apart := fusedLayers(nets[0]); slices.Contains(apart, "y") || slices.Contains(apart, "z") {
					t.Errorf("with blobs kept, others compute %v", apart)
				}
				for pass := range 3 {
					if pass == 2 {
						fused.Keep() // from now on it is like plain
					}
					results := [][]float32{}
					for _, n := range append([]*Net{plain}, nets...) {
						set(n.Blob("data"))
						copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
						results = append(results, iterate(t, n))
					}
					for i, got := range results[2:] {
						if !slices.Equal(got, results[1]) && (pass < 2 || i > 0) {
							t.Errorf("mode %q, pass %d, net %d: other bits than those of separate sums", mode, pass, i)
						}
						if d := distance(got, results[0]); !(d <= 1e-5) {
							t.Errorf("mode %q, pass %d, net %d: differs by %g of the largest", mode, pass, i, d)
						}
					}
				}
				for i, b := range plain.blobs {
					if d := distance(fused.blobs[i].Diff(), b.Diff()); d > 1e-4 {
						t.Errorf("mode %q: after Keep the diff of %s differs by %g", mode, b.name, d)
					}
				}
				if allocs := testing.AllocsPerRun(2, func() { forward(t, nets[2]); backward(t, nets[2]) }); allocs > 0 && !raceEnabled {
					t.Errorf("a pass allocates %v times", allocs)
				}
			}
		})
	}
}
