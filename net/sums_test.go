package net

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// summed returns the names of the layers that get the sums of their bottom from the layer before.
func summed(n *Net) string {
	var names []string
	for _, l := range n.layers {
		if l.summer != nil {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, " ")
}

func init() {
	layers.Register(layers.Info{
		Type: "ForeignSums", Group: "test", Doc: "ForeignAffine, which gets the sums of its bottom.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &foreignSums{foreignAffine: foreignAffine{spec: s}}, nil
		},
	})
}

// foreignSums gets the sums of its bottom, as a normalization of a plugin could.
type foreignSums struct {
	foreignAffine
	sums *kernel.PlaneSums
}

func (l *foreignSums) ReadPlaneSums(sums *kernel.PlaneSums) bool {
	l.sums = sums
	return true
}

// TestSumsForeign has a plugin's layer get sums, unless the convolution computes that layer.
func TestSumsForeign(t *testing.T) {
	text := channels + below + strings.Replace(normIn, "BatchNorm", "ForeignSums", 1) + above + scores
	for _, inference := range []bool{false, true} {
		n := build(t, text, Options{State: state(t, "TEST"), Memory: new(Memory), Inference: inference})
		got, want := n.layerByName("bn").Impl.(*foreignSums).sums != nil, !inference
		if got != want || (summed(n) == "bn") != want {
			t.Errorf("inference %v: the layer gets sums: %v", inference, got)
		}
		if n.Keep(); n.layerByName("bn").Impl.(*foreignSums).sums != nil {
			t.Errorf("inference %v: the layer gets sums after Keep", inference)
		}
	}
}

// TestSums has normalizations whose sums the convolution before takes, and says where.
func TestSums(t *testing.T) {
	replace := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	onN := replace(above, "bottom: 'a'", "bottom: 'n'")
	c0 := replace(onN, "top: 'c'", "top: 'c0'", "name: 'c'", "name: 'c0'", "num_output: 18", "num_output: 16")
	tanhOfA := replace(tanhIn, "'f'", "'a'")
	options := func(text string) string {
		return replace(normed, "'BatchNorm'", "'BatchNorm' batch_norm_param { "+text+" }")
	}
	for _, test := range []struct{ name, layers, summed string }{
		{"in place", normed + above, "bn"},
		{"not in place", below + apartIn + onN, "bn"},
		{"the last layers", below + normIn + replace(reluIn, "top: 'a'", "top: 'c'"), "bn"},
		{"any convolution", replace(normed, "kernel_size: 3 pad: 1", "kernel_size: 1 engine: CAFFE") + above, "bn"},
		{"two in turn", normed + replace(above, "'c'", "'b'") + replace(normIn, "'a'", "'b'", "'bn'", "'bn2'") + replace(above, "bottom: 'a'", "bottom: 'b'"), "bn bn2"},
		{"a sum after it", below + replace(c0, "bottom: 'n'", "bottom: 'data'") + apartIn + replace(sumOfTwo, "'f'", "'n'"), "bn"},
		{"a rectifier between", below + reluIn + normIn + above, ""},
		{"a layer in place between", below + tanhOfA + normIn + above, ""},
		{"another reader", below + apartIn + replace(readsIn, "top: 'pool'", "top: 'c'"), ""},
		{"of the data", replace(apartIn, "bottom: 'a'", "bottom: 'wide'") + onN, ""},
		{"of a sum", replace(below, "'a'", "'c0'") + "layer { name: 'sum' type: 'Eltwise' bottom: 'c0' bottom: 'wide' top: 'a' }\n" + normIn + above, ""},
		{"two tops", replace(below, "bottom: 'data' top: 'a'", "bottom: 'data' bottom: 'data' top: 'a' top: 'pool'") + ignore + normIn + above, ""},
		{"another axis", replace(below, "bottom: 'data'", "bottom: 'deep'", "pad: 1", "pad: 1 axis: 2") + normIn + replace(readsIn, "'Pooling'", "'Flatten'", "'pool'", "'c'", " pooling_param { kernel_size: 2 }", ""), ""},
		{"running statistics", options("use_global_stats: true") + above, ""},
		{"groups of items", options("stats_batch_size: 2") + above, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := replace(channels, "input_param {", "top: 'wide' top: 'deep' input_param {",
				"shape { dim: 4 } }", "shape { dim: 4 } shape { dim: 4 dim: 16 dim: 5 dim: 6 } shape { dim: 4 dim: 2 dim: 16 dim: 5 dim: 6 } }") + test.layers + scores
			n := build(t, text, Options{State: state(t, "TRAIN"), Memory: new(Memory)})
			if got := summed(n); got != test.summed {
				t.Errorf("sums are taken for %q, want %q", got, test.summed)
			}
			iterate(t, n)
			if n.Keep(); summed(n) != "" {
				t.Errorf("after Keep sums are taken for %q", summed(n))
			}
			iterate(t, n)
			for name, opts := range map[string]Options{"bottom kept": {Memory: new(Memory), Keep: []string{"a"}}, "separate blobs": {}} {
				opts.State = state(t, "TRAIN")
				n, want := build(t, text, opts), ""
				if opts.Memory != nil && n.layerByName("bn").Bottoms[0] != n.Blob("a") {
					want = test.summed // what is kept is the top of the last layer in place
				}
				if got := summed(n); got != want {
					t.Errorf("%s: sums are taken for %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestSumsLarge trains a net whose convolutions have tops that do not stay in the caches, so that
// they take sums. The results are the same bits on any number of threads, and near those without
// sums.
func TestSumsLarge(t *testing.T) {
	pools := []*parallel.Pool{nil, parallel.NewPool(2), parallel.NewPool(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	text := "layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 24 dim: 1 dim: 128 dim: 128 } shape { dim: 24 } } }\n" +
		normed + strings.Replace(above, "num_output: 18", "num_output: 16", 1) + strings.NewReplacer("'a'", "'c'", "'bn'", "'bn2'").Replace(normIn) +
		"layer { name: 'pool' type: 'Pooling' bottom: 'c' top: 'pool' pooling_param { pool: AVE kernel_size: 16 stride: 16 } }\n" +
		strings.Replace(scores, "bottom: 'c'", "bottom: 'pool'", 1)
	var want, first []float32
	for _, opts := range []Options{{}, {Memory: new(Memory)}, {Memory: new(Memory), Workers: pools[1]}, {Memory: new(Memory), Workers: pools[2]}} {
		opts.State, opts.Seed = state(t, "TRAIN"), 3
		n := build(t, text, opts)
		set(n.Blob("data"))
		for i := range n.Blob("label").MutableData() {
			n.Blob("label").MutableData()[i] = float32(i % 3)
		}
		got := append(iterate(t, n), iterate(t, n)...)
		switch {
		case opts.Memory == nil:
			want = got
		case first == nil:
			if first = got; summed(n) != "bn bn2" {
				t.Errorf("sums are taken for %q", summed(n))
			}
			if d := distance(got, want); !(d <= 1e-4) {
				t.Errorf("with sums the results differ by %g of the largest", d)
			}
			checkSumsUsed(t, n)
		case !slices.Equal(got, first):
			t.Errorf("on %d threads the results are others", opts.Workers.Threads())
		}
	}
}

// checkSumsUsed checks that normalizations do not read their bottom for their statistics: they
// do not see that it changes.
func checkSumsUsed(t *testing.T, n *Net) {
	set(n.Blob("data"))
	for i, l := range n.layers {
		var before float32
		if l.summer != nil {
			x := l.Bottoms[0].MutableData()
			before, x[100] = x[100], float32(math.NaN())
		}
		if _, err := n.ForwardLayer(context.Background(), i); err != nil {
			t.Fatal(err)
		}
		if l.summer == nil {
			continue
		}
		l.Bottoms[0].MutableData()[100] = before // the next layer reads it
		if slices.ContainsFunc(l.Params[0].Data(), func(v float32) bool { return v != v }) {
			t.Errorf("layer %s has not used the sums of its bottom", l.Name)
		}
	}
}
