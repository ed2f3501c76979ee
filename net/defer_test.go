package net

import (
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// deferred returns the names of the layers whose map the next layer computes.
func deferred(n *Net) string {
	var names []string
	for _, l := range n.layers {
		if l.before != nil {
			names = append(names, l.before.Name)
		}
	}
	return strings.Join(names, " ")
}

// The layers of TestDefer, on blobs of 16 channels.
const (
	below    = "layer { name: 'a' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
	normIn   = "layer { name: 'bn' type: 'BatchNorm' bottom: 'a' top: 'a' }\n"
	scaleIn  = "layer { name: 'scale' type: 'Scale' bottom: 'a' top: 'a' scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } } }\n"
	reluIn   = "layer { name: 'relu' type: 'ReLU' bottom: 'a' top: 'a' }\n"
	above    = "layer { name: 'c' type: 'Convolution' bottom: 'a' top: 'c' convolution_param { num_output: 18 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } bias_filler { type: 'gaussian' std: 1 } } }\n"
	normed   = below + normIn + scaleIn + reluIn
	apartIn  = "layer { name: 'bn' type: 'BatchNorm' bottom: 'a' top: 'n' }\n"
	readsIn  = "layer { name: 'other' type: 'Pooling' bottom: 'a' top: 'pool' pooling_param { kernel_size: 2 } }\n"
	ignore   = "layer { name: 'silence' type: 'Silence' bottom: 'pool' }\n"
	shares   = "layer { name: 'same' type: 'Reshape' bottom: 'a' top: 'f' reshape_param { shape { dim: 0 dim: 0 dim: 0 dim: -1 } } }\n" // shares the data
	tanhIn   = "layer { name: 'tanh' type: 'TanH' bottom: 'f' top: 'f' }\n"
	sumOfTwo = "layer { name: 'sum' type: 'Eltwise' bottom: 'c0' bottom: 'f' top: 'c' }\n"
)

// TestDefer has normalizations whose map the next convolution computes, and says where. The
// results are those of nets that store the top of the normalization, to the last bit, on any
// number of threads and with batches that change, and to rounding those of nets whose
// blobs keep their values.
func TestDefer(t *testing.T) {
	pools := []*parallel.Pool{nil, parallel.NewPool(2), parallel.NewPool(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	replace := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	onN := replace(above, "bottom: 'a'", "bottom: 'n'")
	c0 := replace(onN, "top: 'c'", "top: 'c0'", "name: 'c'", "name: 'c0'", "num_output: 18", "num_output: 16")
	for _, test := range []struct{ name, layers, deferred string }{
		{"in place", normed + above, "bn"},
		{"leaky", below + normIn + scaleIn + replace(reluIn, " }\n", " relu_param { negative_slope: 0.125 } }\n") + above, "bn"},
		{"odd slope", below + normIn + replace(reluIn, " }\n", " relu_param { negative_slope: -1 } }\n") + above, ""},
		{"no rectifier", below + normIn + scaleIn + above, "bn"},
		{"no scale", below + normIn + reluIn + above, "bn"},
		{"alone", below + normIn + above, "bn"},
		{"not in place", below + apartIn + onN, "bn"},
		{"all apart", below + replace(apartIn, "'n'", "'m'") + replace(scaleIn, "bottom: 'a'", "bottom: 'm'", "top: 'a'", "top: 's'") + replace(reluIn, "bottom: 'a'", "bottom: 's'", "top: 'a'", "top: 'r'") + replace(above, "bottom: 'a'", "bottom: 'r'"), "bn"},
		{"no padding", normed + replace(above, "pad: 1", ""), "bn"},
		{"more padding", normed + replace(above, "pad: 1", "pad_h: 2 pad_w: 0"), "bn"},
		{"5x5", normed + replace(above, "kernel_size: 3 pad: 1", "kernel_size: 5 pad: 2"), "bn"},
		{"groups", replace(normed, "num_output: 16", "num_output: 40") + replace(above, "num_output: 18", "num_output: 34 group: 2"), "bn"},
		{"groups of one channel", replace(normed, "num_output: 16", "num_output: 19") + replace(above, "num_output: 18", "num_output: 19 group: 19 stride: 2"), "bn"},
		{"a ReLU that the convolution computes", normed + above + replace(reluIn, "'a'", "'c'", "'relu'", "'end'"), "bn"},
		{"two in turn", normed + replace(above, "'c'", "'b'", "num_output: 18", "num_output: 20") + replace(normIn+scaleIn+reluIn, "'a'", "'b'", "'bn'", "'bn2'", "'scale'", "'scale2'", "'relu'", "'relu2'") + replace(above, "bottom: 'a'", "bottom: 'b'"), "bn bn2"},
		{"running statistics", replace(normed, "type: 'BatchNorm'", "type: 'BatchNorm' batch_norm_param { use_global_stats: true }") + above, "bn"},
		{"running statistics alone", replace(below+normIn, "type: 'BatchNorm'", "type: 'BatchNorm' batch_norm_param { use_global_stats: true }") + above, "bn"},
		{"groups of items", replace(normed, "type: 'BatchNorm'", "type: 'BatchNorm' batch_norm_param { stats_batch_size: 2 }") + above, ""},
		{"1x1", normed + replace(above, "kernel_size: 3 pad: 1", "kernel_size: 1"), ""},
		{"stride", normed + replace(above, "pad: 1", "pad: 1 stride: 2"), ""},
		{"Caffe's order", normed + replace(above, "pad: 1", "pad: 1 engine: CAFFE"), ""},
		{"another axis", replace(apartIn, "bottom: 'a'", "bottom: 'deep'") + replace(onN, "pad: 1", "pad: 1 axis: 2"), ""},
		{"few channels", replace(normed, "num_output: 16", "num_output: 15") + above, ""},
		{"two readers", normed + readsIn + ignore + above, ""},
		{"maxima", normed + replace(readsIn, "top: 'pool'", "top: 'c'"), "bn"},
		{"maxima and where they are", normed + replace(readsIn, "top: 'pool'", "top: 'c' top: 'mask'") + replace(ignore, "'pool'", "'mask'"), "bn"},
		{"overlapping maxima", below + apartIn + replace(readsIn, "bottom: 'a'", "bottom: 'n'", "top: 'pool'", "top: 'c'", "kernel_size: 2", "kernel_size: 3 stride: 2 pad: 1"), "bn"},
		{"means", normed + replace(readsIn, "top: 'pool'", "top: 'c'", "kernel_size: 2", "pool: AVE kernel_size: 3 stride: 2"), "bn"},
		{"mean of all", normed + replace(readsIn, "top: 'pool'", "top: 'c'", "kernel_size: 2", "pool: AVE global_pooling: true"), "bn"},
		{"samples", normed + replace(readsIn, "top: 'pool'", "top: 'c'", "kernel_size: 2", "pool: STOCHASTIC kernel_size: 2"), ""},
		{"another reader", normed + "layer { name: 'lrn' type: 'LRN' bottom: 'a' top: 'c' }\n", ""},
		{"two convolved bottoms", below + apartIn + replace(onN, "bottom: 'n' top: 'c'", "bottom: 'n' bottom: 'wide' top: 'c' top: 'c2'") + "layer { name: 'silence' type: 'Silence' bottom: 'c2' }\n", ""},
		{"loss of the top", replace(normed, reluIn, replace(reluIn, " }\n", " loss_weight: 0.5 }\n")) + above, ""},
		{"sum before", normed + replace(c0, "bottom: 'n'", "bottom: 'a'") + replace(normIn, "'a'", "'c0'", "'bn'", "'bn2'") + replace(sumOfTwo, "top: 'c'", "top: 's'", "'f'", "'a'") + replace(above, "bottom: 'a'", "bottom: 's'"), ""},
		{"bottom read by others too", below + apartIn + shares + c0 + sumOfTwo, "bn"},
		{"bottom changed in place later", below + apartIn + shares + tanhIn + c0 + sumOfTwo, ""},
		{"bottom changed in place before", below + shares + tanhIn + apartIn + c0 + sumOfTwo, "bn"},
		{"through a Flatten", below + shares + replace(apartIn, "bottom: 'a'", "bottom: 'f'") + onN, "bn"},
		{"of the data", replace(apartIn, "bottom: 'a'", "bottom: 'wide'") + onN, "bn"},
		{"of the data in place", replace(normIn+above, "'a'", "'wide'"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "groups of one channel" && !strings.HasPrefix(kernel.Variant(), "avx") {
				test.deferred = "" // only AVX has vectors of channels
			}
			for _, mode := range []string{"", "frozen", "frozen above", "forced"} {
				text := replace(channels, "input_param {", "top: 'wide' top: 'deep' input_param {",
					"shape { dim: 4 } }", "shape { dim: 4 } shape { dim: 4 dim: 16 dim: 5 dim: 6 } shape { dim: 4 dim: 2 dim: 16 dim: 5 dim: 6 } }") + test.layers + scores
				switch frozen := " param { lr_mult: 0 } param { lr_mult: 0 }"; mode {
				case "frozen":
					text = replace(text, "bottom: 'data' top: 'a'", "bottom: 'data' top: 'a'"+frozen)
				case "frozen above":
					text = replace(text, " top: 'c' conv", " top: 'c'"+frozen+" conv")
				case "forced":
					text = "force_backward: true\n" + text
				}
				make := func(opts Options) *Net {
					opts.State, opts.Seed = state(t, "TRAIN"), 3
					return build(t, text, opts)
				}
				plain := make(Options{})
				nets := []*Net{make(Options{Memory: new(Memory), Keep: []string{"a", "n", "r", "b"}})}
				if got := deferred(nets[0]); got != "" {
					t.Errorf("mode %q: the tops of %s are kept, but not computed", mode, got)
				}
				for _, pool := range pools {
					nets = append(nets, make(Options{Memory: new(Memory), Workers: pool}))
				}
				if got := deferred(nets[1]); mode == "" && got != test.deferred {
					t.Errorf("maps that the next layer computes: %q, want %q", got, test.deferred)
				}
				if one, kept := nets[1].Plan().BlobBytes, nets[0].Plan().BlobBytes; test.name == "in place" && one >= kept || one > kept {
					t.Errorf("mode %q: blobs take %d bytes, and %d with tops kept", mode, one, kept)
				}
				for pass, items := range []int{4, 4, 2, 4} {
					if pass == 3 {
						nets[1].Keep() // from now on it is like plain
					}
					var results [][]float32
					for _, n := range append([]*Net{plain}, nets...) {
						for name, item := range map[string][]int{"data": {3, 5, 6}, "wide": {16, 5, 6}, "deep": {2, 16, 5, 6}, "label": nil} {
							if err := n.Blob(name).Reshape(append([]int{items}, item...)...); err != nil {
								t.Fatal(err)
							}
							set(n.Blob(name))
						}
						copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
						results = append(results, iterate(t, n))
					}
					for i, got := range results[2:] {
						if !slices.Equal(got, results[1]) && (pass < 3 || i > 0) {
							t.Errorf("mode %q, pass %d, net %d: other bits than those with tops kept", mode, pass, i)
						}
						if d := distance(got, results[0]); !(d <= 1e-4) {
							t.Errorf("mode %q, pass %d, net %d: differs by %g of the largest", mode, pass, i, d)
						}
					}
				}
				if got := deferred(nets[1]); got != "" {
					t.Errorf("after Keep the next layer computes %s", got)
				}
				for i, b := range plain.blobs {
					if d := distance(nets[1].blobs[i].Data(), b.Data()); d > 1e-4 {
						t.Errorf("mode %q: after Keep the data of %s differ by %g", mode, b.name, d)
					}
				}
				if allocs := testing.AllocsPerRun(2, func() { forward(t, nets[2]); backward(t, nets[2]) }); allocs > 0 && !raceEnabled {
					t.Errorf("a pass allocates %v times", allocs)
				}
			}
		})
	}
}

// TestDeferKeptBottom keeps the bottom of a normalization that the next layer computes.
func TestDeferKeptBottom(t *testing.T) {
	text := channels + below + apartIn + strings.Replace(above, "bottom: 'a'", "bottom: 'n'", 1) + scores
	var blobs [2][]float32
	for i, opts := range []Options{{}, {Memory: new(Memory), Keep: []string{"a"}}} {
		opts.State, opts.Seed = state(t, "TRAIN"), 3
		n := build(t, text, opts)
		if got := deferred(n); i == 1 && got != "bn" {
			t.Fatalf("maps that the next layer computes: %q, want bn", got)
		}
		set(n.Blob("data"))
		iterate(t, n)
		blobs[i] = slices.Clone(n.Blob("a").Data())
	}
	if !slices.Equal(blobs[0], blobs[1]) {
		t.Error("the kept bottom has changed")
	}
}

// TestDeferForwardOnly has a net for tests whose layers work in place in the file: the
// convolution computes the normalization, and no layer keeps a copy for a backward pass.
func TestDeferForwardOnly(t *testing.T) {
	text := channels + normed + above + "layer { name: 'prelu' type: 'PReLU' bottom: 'c' top: 'c' }\n" + scores
	var losses []float32
	for _, opts := range []Options{{}, {Memory: new(Memory), ForwardOnly: true, Keep: []string{"a"}}, {Memory: new(Memory), ForwardOnly: true}} {
		opts.State, opts.Seed = state(t, "TEST"), 3
		n := build(t, text, opts)
		kept := opts.Memory == nil || len(opts.Keep) > 0
		if got := deferred(n); !kept && got != "bn" || kept && got != "" {
			t.Errorf("keep %v: maps that the next layer computes: %q", kept, got)
		}
		for _, name := range []string{"bn", "prelu"} {
			if l := n.layerByName(name); opts.Memory != nil && l.Bottoms[0] == l.Tops[0] {
				t.Errorf("layer %s works in place and keeps a copy", name)
			}
		}
		set(n.Blob("data"))
		copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
		for range 2 {
			losses = append(losses, forward(t, n))
		}
	}
	for _, loss := range losses[2:] {
		if loss != losses[2] || distance(losses[:1], []float32{loss}) > 1e-5 {
			t.Errorf("losses are %v", losses)
		}
	}
}
