package net

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
)

// spoiled runs a forward pass in which the storage of all blobs that are not needed holds
// NaN, and returns loss, outputs and the named blobs.
func spoiled(t *testing.T, n *Net, names ...string) []float32 {
	t.Helper()
	var results []float32
	for i := range n.layers {
		if n.memory != nil {
			poison(n, i)
		}
		loss, err := n.ForwardLayer(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, loss)
	}
	for _, out := range n.outputs {
		results = append(results, out.Blob.Data()...)
	}
	for _, name := range names {
		if b := n.Blob(name); b != nil {
			results = append(results, b.Data()...)
		}
	}
	return results
}

// fusedLayers returns the names of the layers that others compute.
func fusedLayers(n *Net) []string {
	var names []string
	for _, l := range n.layers {
		if l.FusedInto != nil {
			names = append(names, l.Name)
		}
	}
	return names
}

// sameInference compares a net for inference with the same net without it, to the last
// bit, and with the net whose layers all run by themselves, to the tolerance.
func sameInference(t *testing.T, file *prototxt.Net, opts Options, prepare func(*Net), tolerance float64) *Net {
	t.Helper()
	make := func(opts Options) *Net {
		n, err := New(file, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	names := opts.Keep
	opts.ForwardOnly = true
	alone := make(opts)
	opts.Memory = new(Memory)
	shared := make(opts)
	opts.Memory, opts.ForwardOnly, opts.Inference = nil, false, true
	n := make(opts)
	if n.memory == nil || !n.forwardOnly {
		t.Error("a net for inference has no Memory, or a backward pass")
	}
	for pass := range 3 {
		for _, each := range []*Net{alone, shared, n} {
			if pass == 2 { // weights that are not those of the start, and neither 0 nor 1
				for i, p := range each.Params() {
					for k := range p.Blob.MutableData() {
						p.Blob.MutableData()[k] += float32(1+(i+k)%5) / 16
					}
				}
			}
			prepare(each)
		}
		got := spoiled(t, n, names...)
		if d := distance(got, spoiled(t, alone, names...)); !(d <= tolerance) {
			t.Errorf("pass %d: results differ by %g of the largest from those of single layers, want at most %g", pass, d, tolerance)
		}
		if !slices.Equal(got, spoiled(t, shared, names...)) {
			t.Errorf("pass %d: results differ in their bits from those without Inference", pass)
		}
	}
	return n
}

// TestInference has small nets, and says which layers a convolution computes.
func TestInference(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	input := func(dims string) string {
		return "layer { name: 'in' type: 'Input' top: 'data' input_param { shape { " + dims + " } } }\n"
	}
	image := input("dim: 2 dim: 3 dim: 9 dim: 8")
	layer := func(name, typ, bottom, top, more string) string {
		text := fmt.Sprintf("layer { name: '%s' type: '%s' ", name, typ)
		for _, b := range strings.Fields(bottom) {
			text += "bottom: '" + b + "' "
		}
		return text + fmt.Sprintf("top: '%s' %s }\n", top, more)
	}
	conv := func(name, bottom, top string) string {
		return layer(name, "Convolution", bottom, top, "convolution_param { num_output: 18 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } bias_filler { type: 'gaussian' std: 1 } }")
	}
	bn := func(bottom, top string) string { return layer("bn-"+top, "BatchNorm", bottom, top, "") }
	scale := func(bottom, top string) string {
		return layer("scale-"+top, "Scale", bottom, top, "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }")
	}
	bias := func(bottom, top string) string {
		return layer("bias-"+top, "Bias", bottom, top, "bias_param { filler { type: 'gaussian' std: 1 } }")
	}
	relu := func(bottom, top string) string { return layer("relu-"+top, "ReLU", bottom, top, "") }
	prelu := func(bottom, top, more string) string {
		return layer("prelu-"+top, "PReLU", bottom, top, "prelu_param { filler { type: 'gaussian' std: 0.5 } "+more+" }")
	}
	sum := func(bottoms, top, more string) string {
		return layer("sum-"+top, "Eltwise", bottoms, top, "eltwise_param { "+more+" }")
	}
	end := func(bottom string) string { return layer("end", "Power", bottom, "end", "power_param { shift: 1 }") }
	inPlace := conv("c", "data", "c") + bn("c", "c") + scale("c", "c") + relu("c", "c") + end("c")
	apart := conv("c", "data", "c") + bn("c", "b") + scale("b", "s") + relu("s", "r") + end("r")
	bottleneck := conv("c0", "data", "c0") + relu("c0", "c0") +
		conv("branch1", "c0", "b1") + bn("b1", "b1") + scale("b1", "b1") +
		conv("branch2", "c0", "b2") + bn("b2", "b2") + scale("b2", "b2") +
		sum("b1 b2", "sum", "") + relu("sum", "sum") + end("sum")
	for _, test := range []struct {
		name, text string
		fused      string
		keep       string
	}{
		{"in place", image + inPlace, "bn-c scale-c relu-c", ""},
		{"apart", image + apart, "bn-b scale-s relu-r", ""},
		{"rectifier", image + conv("c", "data", "c") + relu("c", "c") + end("c"), "relu-c", ""},
		{"leaky", image + conv("c", "data", "c") + layer("leaky", "ReLU", "c", "c", "relu_param { negative_slope: 0.125 }") + end("c"), "leaky", ""},
		{"slope above 1", image + conv("c", "data", "c") + layer("leaky", "ReLU", "c", "c", "relu_param { negative_slope: -2 }") + end("c"), "leaky", ""},
		{"slopes", image + conv("c", "data", "c") + bn("c", "c") + prelu("c", "c", "") + end("c"), "bn-c prelu-c", ""},
		{"one slope", image + conv("c", "data", "c") + prelu("c", "p", "channel_shared: true") + end("p"), "prelu-p", ""},
		{"scale", image + conv("c", "data", "c") + scale("c", "c") + end("c"), "scale-c", ""},
		{"bias", image + conv("c", "data", "c") + bias("c", "c") + end("c"), "bias-c", ""},
		{"scale, then bias", image + conv("c", "data", "c") + scale("c", "c") + bias("c", "b") + end("b"), "scale-c", ""},
		{"scale, then normalization", image + conv("c", "data", "c") + scale("c", "c") + bn("c", "b") + end("b"), "scale-c", ""},
		{"rectifier, then scale", image + conv("c", "data", "c") + relu("c", "c") + scale("c", "c") + end("c"), "relu-c", ""},
		{"statistics of the batch", image + conv("c", "data", "c") + layer("bn", "BatchNorm", "c", "c", "batch_norm_param { use_global_stats: false }") + scale("c", "c") + end("c"), "scale-c", ""},
		{"limits", image + conv("c", "data", "c") + layer("scale", "Scale", "c", "c", "scale_param { min_value: 0.5 }") + end("c"), "", ""},
		{"one factor", image + conv("c", "data", "c") + layer("scale", "Scale", "c", "c", "scale_param { num_axes: 0 filler { value: 2 } }") + end("c"), "", ""},
		{"read twice", image + conv("c", "data", "c") + relu("c", "r") + scale("c", "s") + end("s"), "", ""},
		{"read twice later", image + conv("c", "data", "c") + bn("c", "b") + relu("b", "r") + scale("b", "s") + end("s"), "bn-b", ""},
		{"kept", image + apart, "bn-b scale-s relu-r", "r"},
		{"kept between", image + apart, "bn-b", "b data nowhere"},
		{"kept first", image + apart, "scale-s relu-r", "c"},
		{"kept in place", image + inPlace, "bn-c scale-c relu-c", "c"},
		{"output", image + conv("c", "data", "c") + bn("c", "c"), "bn-c", ""},
		{"loss", image + conv("c", "data", "c") + layer("relu", "ReLU", "c", "r", "loss_weight: 0.5"), "", ""},
		{"shared weights", image + strings.ReplaceAll(conv("c", "data", "c")+bn("c", "c")+conv("d", "data", "d")+scale("d", "d")+sum("c d", "end", ""),
			"type: 'Convolution'", "type: 'Convolution' param { name: 'w' } param { name: 'b' }"), "bn-c scale-d sum-end", ""},
		{"residual", image + bottleneck, "relu-c0 bn-b1 scale-b1 bn-b2 scale-b2 sum-sum relu-sum", ""},
		{"residual, kept", image + bottleneck, "relu-c0 bn-b1 scale-b1 bn-b2 scale-b2", "b2"},
		{"residual, kept summand", image + bottleneck, "relu-c0 bn-b1 scale-b1 bn-b2 scale-b2 sum-sum relu-sum", "b1"},
		{"shortcut", image + conv("c0", "data", "c0") + conv("c", "c0", "c") + bn("c", "c") + sum("c c0", "sum", "") + prelu("sum", "sum", "") + end("sum"), "bn-c sum-sum prelu-sum", ""},
		{"coefficients", image + conv("c0", "data", "c0") + conv("c", "c0", "c") + sum("c c0", "sum", "coeff: 1 coeff: -1") + end("sum"), "", ""},
		{"product", image + conv("c0", "data", "c0") + conv("c", "c0", "c") + sum("c c0", "sum", "operation: PROD") + end("sum"), "", ""},
		{"sum of three", image + conv("c0", "data", "c0") + conv("c1", "c0", "c1") + conv("c", "c0", "c") + sum("c c0 c1", "sum", "") + end("sum"), "", ""},
		{"sum of one", image + conv("c", "data", "c") + sum("c c", "sum", "") + end("sum"), "", ""},
		{"summand changed through another blob", image + conv("c0", "data", "c0") + conv("c", "data", "c") + layer("flat", "Flatten", "c0", "flat", "") + layer("tanh", "TanH", "flat", "flat", "") + sum("c0 c", "sum", "") + end("sum"), "", ""},
		{"summand changed in place", image + conv("c0", "data", "c0") + conv("c", "data", "c") + layer("tanh", "TanH", "c0", "c0", "") + sum("c0 c", "sum", "") + end("sum"), "", ""},
		{"summand computed later", image + conv("c", "data", "c") + layer("tanh", "TanH", "data", "t", "") + conv("d", "t", "d") + bn("d", "d") + sum("c d", "sum", "") + relu("sum", "sum") + end("sum"), "bn-d sum-sum relu-sum", ""},
		{"two sums", image + conv("c0", "data", "c0") + conv("c1", "data", "c1") + conv("c", "data", "c") + sum("c c0", "s0", "") + sum("s0 c1", "s1", "") + end("s1"), "sum-s0", ""},
		{"depthwise", image + layer("c", "Convolution", "data", "c", "convolution_param { num_output: 3 group: 3 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: 'msra' } }") + bn("c", "c") + scale("c", "c") + relu("c", "c") + end("c"), "bn-c scale-c relu-c", ""},
		{"other axis", image + layer("c", "Convolution", "data", "c", "convolution_param { axis: 2 num_output: 3 kernel_size: 3 weight_filler { type: 'msra' } }") + bn("c", "c") + end("c"), "", ""},
		{"two tops", image + layer("c", "Convolution", "data data", "c' top: 'd", "convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: 'msra' } }") + relu("c", "c") + sum("c d", "sum", "") + end("sum"), "", ""},
		{"deconvolution", image + layer("d", "Deconvolution", "data", "d", "convolution_param { num_output: 5 kernel_size: 4 stride: 2 weight_filler { type: 'msra' } bias_filler { value: 1 } }") + bn("d", "d") + scale("d", "d") + prelu("d", "d", "") + end("d"), "bn-d scale-d prelu-d", ""},
		{"inner product", image + ip("ip", "data", "ip", 11, "") + bn("ip", "ip") + scale("ip", "ip") + relu("ip", "ip") + end("ip"), "bn-ip scale-ip relu-ip", ""},
		{"inner product and sum", image + ip("ip0", "data", "ip0", 11, "") + ip("ip1", "data", "ip1", 11, "") + sum("ip0 ip1", "sum", "") + relu("sum", "sum") + end("sum"), "sum-sum relu-sum", ""},
		{"inner product with weights of a bottom, and sum", input("dim: 7 dim: 5") + ip("ip0", "data", "ip0", 7, "") + ip("w", "data", "w", 5, "") +
			layer("ip1", "InnerProduct", "data w", "ip1", "inner_product_param { bias_term: false }") + sum("ip0 ip1", "sum", "") + end("sum"), "sum-sum", ""},
		{"inner product of another axis", image + strings.Replace(ip("ip", "data", "ip", 11, ""), "inner_product_param {", "inner_product_param { axis: 2", 1) + bn("ip", "ip") + relu("ip", "ip") + end("ip"), "relu-ip", ""},
		{"of a plugin", image + conv("c", "data", "c") + layer("affine", "ForeignAffine", "c", "a", "") + layer("act", "ForeignActivation", "a", "r", "") + end("r"), "affine act", ""},
		{"vectors", input("dim: 3 dim: 4 dim: 20") + strings.Replace(conv("c", "data", "c"), "kernel_size: 3 pad: 1", "kernel_size: 5", 1) + bn("c", "c") + scale("c", "c") + relu("c", "c") + end("c"), "bn-c scale-c relu-c", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := sameInference(t, parse(t, test.text), Options{State: state(t, "TEST"), Workers: pool, Seed: 3, Keep: strings.Fields(test.keep)},
				func(n *Net) { set(n.Blob("data")) }, 4e-6)
			if allocs := testing.AllocsPerRun(2, func() { forward(t, n) }); allocs > 0 {
				t.Errorf("a pass allocates %v times", allocs)
			}
			if got := strings.Join(fusedLayers(n), " "); got != test.fused {
				t.Errorf("layers that others compute: %s, want %s", got, test.fused)
			}
		})
	}
}

// TestInferenceReshaped changes the shape of the input after the net is made, where one factor
// scales a blob of one channel.
func TestInferenceReshaped(t *testing.T) {
	file := parse(t, `layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 2 dim: 1 dim: 1 } } }
		layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 1 kernel_size: 1 weight_filler { type: 'msra' } } }
		layer { name: 'scale' type: 'Scale' bottom: 'conv' top: 'scale' scale_param { axis: 0 num_axes: 0 filler { value: 3 } } }
		layer { name: 'bias' type: 'Bias' bottom: 'scale' top: 'bias' bias_param { axis: -1 num_axes: 0 filler { value: 5 } } }
		layer { name: 'end' type: 'Power' bottom: 'bias' top: 'end' }`)
	prepared := 0 // three nets in each pass
	sameInference(t, file, Options{Seed: 3}, func(n *Net) {
		pass, data := prepared/3, n.Blob("data")
		prepared++
		if err := data.Reshape(1+pass, 2, 1, 1+2*pass); err != nil {
			t.Fatal(err)
		}
		for i := range data.MutableData() {
			data.MutableData()[i] = float32(1 + i)
		}
	}, 1e-6)
}

// TestInferenceUnfit changes the shape of the input to one for which a layer can no longer be
// computed by the convolution before it.
func TestInferenceUnfit(t *testing.T) {
	for _, head := range []string{
		`type: 'Convolution' convolution_param { num_output: 1 kernel_size: 1 weight_filler { type: 'msra' } }`,
		`type: 'InnerProduct' inner_product_param { num_output: 1 weight_filler { type: 'msra' } }`,
		`type: 'BatchNorm'`,
	} {
		n := build(t, `layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 2 dim: 1 dim: 1 } } }
			layer { name: 'head' bottom: 'data' top: 'y' `+head+` }
			layer { name: 'affine' type: 'ForeignOneItem' bottom: 'y' top: 'z' }
			layer { name: 'end' type: 'Power' bottom: 'z' top: 'end' }`, Options{State: state(t, "TEST"), Inference: true})
		if got := fusedLayers(n); !slices.Equal(got, []string{"affine"}) {
			t.Fatalf("%s: layers that others compute: %v", head, got)
		}
		data := n.Blob("data")
		for _, items := range []int{1, 2, 1} {
			if err := data.Reshape(items, 2, 1, 1); err != nil {
				t.Fatal(err)
			}
			const want = `layer "affine": with a bottom of shape [2 `
			pass := func() error {
				_, err := n.Forward(context.Background())
				return err
			}
			for _, do := range []func() error{pass, pass, n.Reshape, pass} {
				if err := do(); items == 1 && err != nil || items == 2 && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s, %d items: got error %v, want one for 2 items with %s", head, items, err, want)
				}
			}
		}
	}
}

// TestInferenceZoo runs the test nets of the zoo.
func TestInferenceZoo(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, e := range unlikeNets() {
		t.Run(e.Name, func(t *testing.T) {
			file, err := e.Read()
			if err != nil {
				t.Fatal(err)
			}
			n := sameInference(t, file, Options{
				State: state(t, "TEST"), Workers: pool, Seed: 1, Synthetic: &Synthetic{Shape: e.Shape[:], Batch: 3},
			}, func(*Net) {}, 9e-6)
			if strings.HasPrefix(e.Name, "liunet") && len(fusedLayers(n)) < 9 {
				t.Errorf("convolutions compute only %v", fusedLayers(n))
			}
		})
	}
}
