package net

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
	_ "github.com/gocaffe/gocaffe/plugins/ssd" // for ssd-digits
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
)

// poison fills all slots that hold no live array in a step with NaN.
func poison(n *Net, step int) {
	for _, s := range n.memory.slots {
		probe, _ := blob.New(s.size)
		probe.PlaceData(&s.storage)
		probe.PlaceDiff(&s.storage)
		busy := slices.ContainsFunc(n.arrays(!n.forwardOnly), func(a *array) bool {
			here := a.diff && a.blobs[0].SharesDiff(probe) || !a.diff && a.blobs[0].SharesData(probe)
			return here && a.first <= step && step <= a.last
		})
		if !busy {
			kernel.Fill(nil, float32(math.NaN()), probe.MutableData())
		}
	}
}

// iterate runs both passes, with poison before each step if the net shares
// memory, and returns loss, outputs and gradients.
func iterate(t *testing.T, n *Net) []float32 {
	t.Helper()
	ctx := context.Background()
	n.ClearParamDiffs()
	var results []float32
	for i := range n.layers {
		if n.memory != nil {
			poison(n, i)
		}
		loss, err := n.ForwardLayer(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, loss)
	}
	n.SetPass(n.pass + 1)
	for i := len(n.layers) - 1; i >= 0; i-- {
		if n.memory != nil {
			poison(n, 2*len(n.layers)-1-i)
		}
		if err := n.BackwardLayer(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	for _, out := range n.outputs {
		results = append(results, out.Blob.Data()...)
	}
	for _, p := range n.Params() {
		results = append(append(results, p.Blob.Data()...), p.Blob.Diff()...)
	}
	return results
}

// distance returns the largest difference relative to the largest number.
func distance(got, want []float32) float64 {
	var most, size float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if d != d {
			return math.Inf(1)
		}
		most, size = max(most, d), max(size, math.Abs(float64(w)))
	}
	if most == 0 { // size may be 0 too, as the loss of a net that is certain
		return 0
	}
	return most / size
}

// sameWithMemory compares two iterations of a net with those of the same net
// whose blobs keep their values. Without fused layers they are the same
// to the bit.
func sameWithMemory(t *testing.T, file *prototxt.Net, opts Options, prepare func(*Net), tolerance float64) *Net {
	t.Helper()
	make := func(m *Memory) *Net {
		opts.Memory = m
		n, err := New(file, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	plain, shared := make(nil), make(new(Memory))
	for range 2 {
		if prepare != nil {
			prepare(plain)
			prepare(shared)
		}
		want, got := iterate(t, plain), iterate(t, shared)
		if d := distance(got, want); !(d <= tolerance) {
			t.Fatalf("results differ by %g of the largest, want at most %g", d, tolerance)
		}
	}
	return shared
}

// TestMemory trains the nets of the zoo with and without shared memory.
func TestMemory(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, e := range unlikeNets() {
		t.Run(e.Name, func(t *testing.T) {
			file, err := e.Read()
			if err != nil {
				t.Fatal(err)
			}
			n := sameWithMemory(t, file, Options{
				State: state(t, "TRAIN"), Workers: pool, Seed: 1, Synthetic: &Synthetic{Shape: e.Shape[:], Batch: 3},
			}, nil, 1e-3)
			plan := n.Plan()
			if plan.BlobBytes >= plan.DataBytes+plan.DiffBytes {
				t.Errorf("blobs take %d bytes, no less than their %d and %d", plan.BlobBytes, plan.DataBytes, plan.DiffBytes)
			}
		})
	}
}

// unlikeNets returns the nets of the zoo but for those that have the same layers as another
// one, with other data, widths, numbers of classes or losses.
func unlikeNets() []zoo.Entry {
	alike := []string{"alexnet", "liunet-cifar10plus", "liunet-cifar100", "liunet-cifar100plus", "liunet-imagenet32"}
	return slices.DeleteFunc(zoo.Entries(), func(e zoo.Entry) bool { return e.Base != "" || slices.Contains(alike, e.Name) })
}

const (
	channels = "layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 4 dim: 3 dim: 5 dim: 6 } shape { dim: 4 } } }\n"
	convolve = "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' convolution_param { num_output: 7 kernel_size: 3 weight_filler { type: 'msra' } } }\n"
	scores   = "layer { name: 'ip' type: 'InnerProduct' bottom: 'c' top: 'ip' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }\n" +
		"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }"
)

// TestFuse has chains in and not in place, with all that they may lack, and
// says how many layers the first one computes.
func TestFuse(t *testing.T) {
	layer := func(typ, more string) string {
		return fmt.Sprintf("layer { name: '%s' type: '%s' bottom: 'c' top: 'c' %s }\n", typ, typ, more)
	}
	bn, relu := layer("BatchNorm", ""), layer("ReLU", "")
	global := layer("BatchNorm", "batch_norm_param { use_global_stats: true }")
	scale := layer("Scale", "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }")
	factor := layer("Scale", "scale_param { filler { type: 'gaussian' std: 1 } }")
	bias := layer("Bias", "bias_param { filler { type: 'gaussian' std: 1 } }")
	apart := func(text string) string { // each layer with a blob of its own
		var lines []string
		last := "'c'"
		for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			next := fmt.Sprintf("'c%d'", i)
			lines = append(lines, strings.Replace(strings.Replace(line, "bottom: 'c'", "bottom: "+last, 1), "top: 'c'", "top: "+next, 1))
			last = next
		}
		return strings.Join(lines, "\n") + "\nlayer { name: 'end' type: 'Power' bottom: " + last + " top: 'end' }\n"
	}
	for _, test := range []struct {
		name, layers string
		fused        int
	}{
		{"all", bn + scale + relu, 2},
		{"all apart", apart(bn + scale + relu), 2},
		{"normalization alone", bn, 0},
		{"with scale", bn + scale, 1},
		{"groups of items", layer("BatchNorm", "batch_norm_param { stats_batch_size: 2 }") + scale + relu, 2},
		{"with rectifier", bn + relu, 1},
		{"leaky", bn + scale + layer("ReLU", "relu_param { negative_slope: 0.125 }"), 2},
		{"odd slope", bn + scale + layer("ReLU", "relu_param { negative_slope: -1 }"), 1},
		{"factor", bn + factor + relu, 2},
		{"factor and bias", bn + factor + bias + relu, 3},
		{"bias", bn + bias + relu, 2},
		{"scale and bias", bn + scale + bias + relu, 1},
		{"running statistics", global + scale + relu, 2},
		{"running statistics apart", apart(global + scale + relu), 2},
		{"running statistics alone", global, 0},
		{"running statistics and bias", global + bias, 1},
		{"frozen factor", bn + layer("Scale", "param { lr_mult: 0 } scale_param { bias_term: true filler { type: 'gaussian' std: 1 } }") + relu, 2},
		{"frozen scale", bn + layer("Scale", "param { lr_mult: 0 } param { lr_mult: 0 } scale_param { bias_term: true filler { type: 'gaussian' std: 1 } }") + relu, 2},
		{"frozen scale, running statistics", global + layer("Scale", "param { lr_mult: 0 } param { lr_mult: 0 } scale_param { bias_term: true filler { type: 'gaussian' std: 1 } }") + relu, 2},
		{"limits", bn + layer("Scale", "scale_param { min_value: 0.5 filler { type: 'gaussian' mean: 1 std: 1 } }") + relu, 0},
		{"one factor", bn + layer("Scale", "scale_param { axis: 0 num_axes: 0 filler { type: 'gaussian' mean: 1 std: 1 } }") + relu, 0},
		{"another order", apart(bn + relu + scale), 1},
		{"no gradient below", bn + scale + layer("ReLU", "propagate_down: false"), 1},
		{"no gradient below a frozen bias", bn + factor + layer("Bias", "param { lr_mult: 0 }") + layer("ReLU", "propagate_down: false"), 2},
		{"read twice", apart(bn+scale) + "layer { name: 's' type: 'Silence' bottom: 'c0' }\n", 0},
		{"loss between", strings.Replace(apart(bn+scale+relu), "type: 'Scale'", "type: 'Scale' loss_weight: 0.5", 1), 1}, // the loss is that of a Split
		{"scale alone", scale + relu, 0},
		{"of a plugin", bn + layer("ForeignAffine", "") + layer("ForeignActivation", ""), 2},
		{"of a plugin apart", apart(bn + layer("ForeignAffine", "") + layer("ForeignActivation", "")), 2},
		{"of a plugin, frozen shift", bn + layer("ForeignAffine", "param { } param { lr_mult: 0 }") + relu, 2},
		{"of a plugin, running statistics", global + layer("ForeignAffine", "") + layer("ForeignActivation", ""), 2},
		{"activation of a plugin", bn + scale + layer("ForeignActivation", ""), 2},
		{"factor, then affine map of a plugin", bn + factor + layer("ForeignAffine", ""), 1},
		{"slopes", layer("PReLU", ""), 0},
		{"items of one number", "layer { name: 'ip0' type: 'InnerProduct' bottom: 'c' top: 'ip0' inner_product_param { num_output: 9 weight_filler { type: 'xavier' } } }\n" +
			strings.ReplaceAll(bn+scale+relu, "'c'", "'ip0'") + "layer { name: 'ip1' type: 'InnerProduct' bottom: 'ip0' top: 'ip1' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }\n" +
			"layer { name: 'loss1' type: 'SoftmaxWithLoss' bottom: 'ip1' bottom: 'label' top: 'loss1' }", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, below := range []string{"", "frozen", "forced"} {
				text := channels + convolve + test.layers + scores
				if strings.Contains(test.layers, "'end'") {
					text = channels + convolve + test.layers + strings.Replace(scores, "bottom: 'c'", "bottom: 'end'", 1)
				}
				switch below {
				case "frozen":
					text = strings.Replace(text, "bottom: 'data' top: 'c'", "bottom: 'data' top: 'c' param { lr_mult: 0 } param { lr_mult: 0 }", 1)
					text = strings.ReplaceAll(text, "type: 'BatchNorm'", "type: 'BatchNorm' param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }")
				case "forced":
					text = "force_backward: true\n" + text
				}
				if strings.HasPrefix(test.name, "no gradient below") && below == "forced" {
					continue // forces the gradient
				}
				n := sameWithMemory(t, parse(t, text), Options{State: state(t, "TRAIN"), Seed: 3}, func(n *Net) {
					set(n.Blob("data"))
					copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
				}, 1e-5)
				fused := 0
				for _, l := range n.layers {
					if l.FusedInto != nil {
						fused++
					}
				}
				if fused != test.fused {
					t.Errorf("%s: %d layers run in others, want %d", below, fused, test.fused)
				}
			}
		})
	}
}

// TestMemoryOfTests has a net for training and one for tests in one Memory: the
// second needs no more, and what others read of the first stays.
func TestMemoryOfTests(t *testing.T) {
	e, err := zoo.Lookup("liunet-digits")
	if err != nil {
		t.Fatal(err)
	}
	file, err := e.Read()
	if err != nil {
		t.Fatal(err)
	}
	m := new(Memory)
	opts := Options{State: state(t, "TRAIN"), Seed: 1, Synthetic: &Synthetic{Shape: e.Shape[:], Batch: 4}, Memory: m}
	train, err := New(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer train.Close()
	bytes := m.Bytes()
	opts.State, opts.ForwardOnly = state(t, "TEST"), true
	test, err := New(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer test.Close()
	if bytes == 0 || m.Bytes() != bytes {
		t.Errorf("memory is %d bytes for training and %d with a net for tests of the same size", bytes, m.Bytes())
	}
	forward(t, train)
	backward(t, train)
	want := make(map[string][]float32)
	for _, name := range []string{"data", "label", "loss"} {
		want[name] = slices.Clone(train.Blob(name).Data())
	}
	forward(t, test)
	for name, values := range want {
		if !slices.Equal(train.Blob(name).Data(), values) {
			t.Errorf("blob %s of the train net has changed in a test", name)
		}
	}
	if err := test.Backward(context.Background()); err == nil || !strings.Contains(err.Error(), "forward only") {
		t.Errorf("a backward pass of the net for tests: got %v, want an error", err)
	}
}

// TestKeep turns debug_info on for a net with shared memory: from then on it is
// as one whose blobs keep their values, log and all.
func TestKeep(t *testing.T) {
	const text = channels + convolve + `
layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' }
layer { name: 'scale' type: 'Scale' bottom: 'c' top: 'c' }
layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'c' }
` + scores
	var logs [2]recorder
	var nets [2]*Net
	for i, m := range []*Memory{nil, new(Memory)} {
		n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 3, Memory: m, Observer: logs[i].observer()})
		nets[i] = n
		for pass := range 3 {
			set(n.Blob("data"))
			n.SetDebugInfo(pass > 0)
			forward(t, n)
			backward(t, n)
		}
	}
	sources := []string{"net.cpp:593", "net.cpp:605", "net.cpp:621", "net.cpp:632"}
	want, got := logs[0].from(sources...), logs[1].from(sources...)
	if len(want) < 30 || len(got) != len(want) {
		t.Fatalf("%d lines of debug_info with shared memory, %d without", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] && !strings.Contains(want[i], "conv") && !strings.Contains(want[i], "diff") {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
	for _, name := range nets[0].BlobNames() {
		if d := distance(nets[1].Blob(name).Data(), nets[0].Blob(name).Data()); d > 1e-6 {
			t.Errorf("blob %s differs by %g", name, d)
		}
	}
	if a, b := fmt.Sprint(nets[0].BlobNames()), fmt.Sprint(nets[1].BlobNames()); a != b {
		t.Errorf("blobs %s, with shared memory %s", a, b)
	}
}

// TestMemoryAfterReshape changes the batch size of a net with shared memory.
func TestMemoryAfterReshape(t *testing.T) {
	const text = channels + convolve + `
layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' }
layer { name: 'scale' type: 'Scale' bottom: 'c' top: 'c' }
layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'r' }
layer { name: 'flat' type: 'Flatten' bottom: 'r' top: 'f' }
layer { name: 'ip' type: 'InnerProduct' bottom: 'f' top: 'ip' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }`
	items := []int{4, 9, 2, 4}
	pass := 0
	prepare := func(n *Net) {
		for _, name := range []string{"data", "label"} {
			b := n.Blob(name)
			shape := append([]int{items[pass/2]}, b.Shape()[1:]...)
			if err := b.Reshape(shape...); err != nil {
				t.Fatal(err)
			}
		}
		set(n.Blob("data"))
		clear(n.Blob("label").MutableData())
		pass++
	}
	for range 2 { // two passes each
		sameWithMemory(t, parse(t, text), Options{State: state(t, "TRAIN"), Seed: 3}, prepare, 1e-5)
	}
}
