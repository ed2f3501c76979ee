package net

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
)

// chain is the net of Caffe's tests of shared weights: two inner products, one
// after the other, against another input.
func chain(param1, param2 string) string {
	return `layer { name: 'in' type: 'Input' top: 'x' top: 'y' input_param { shape { dim: 10 dim: 10 } } }
` + ip("a", "x", "a", 10, param1) + ip("b", "a", "b", 10, param2) +
		"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 'b' }"
}

// trained returns the net after a forward and a backward pass with weights 1/2.
func trained(t *testing.T, text string) *Net {
	t.Helper()
	n := build(t, text, Options{State: state(t, "TRAIN")})
	for _, p := range n.AllParams() {
		fill(p.Blob.MutableData(), 0.5)
	}
	set(n.Blob("x"))
	forward(t, n)
	backward(t, n)
	return n
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// As Caffe's TestSharedWeightsDataNet and -DiffNet: equal weights make equal
// outputs, whose distance and gradients are 0.
func TestSharedWeights(t *testing.T) {
	loss, grads := run(t, twoIPs("", "", "param { name: 'w' }", "param { name: 'w' }"))
	if loss != 0 || slices.ContainsFunc(grads, func(g float64) bool { return g != 0 }) {
		t.Errorf("shared weights: loss is %g, gradients are %v, want 0", loss, grads)
	}
	loss, grads = run(t, twoIPs("", "", "param { name: 'w1' }", "param { name: 'w2' }"))
	if loss == 0 || !slices.ContainsFunc(grads, func(g float64) bool { return g != 0 }) {
		t.Errorf("weights of their own: loss is %g, gradients are %v, want others", loss, grads)
	}
}

// As Caffe's TestSharedWeightsUpdate: the gradient of shared weights is the
// sum of those of the layers, and is subtracted once.
func TestSharedUpdate(t *testing.T) {
	shared := trained(t, chain("param { name: 'w' }", "param { name: 'w' }"))
	own := trained(t, chain("param { name: 'w1' }", "param { name: 'w2' }"))
	first, second := shared.Layers()[1].Params[0], shared.Layers()[2].Params[0]
	if !first.SharesData(second) || !first.SharesDiff(second) || len(shared.Params()) != 1 || len(shared.AllParams()) != 2 {
		t.Fatalf("the layers do not share their weights, or the net counts them wrong: %d learned, %d in all",
			len(shared.Params()), len(shared.AllParams()))
	}
	a, b := own.Layers()[1].Params[0], own.Layers()[2].Params[0]
	if a.SharesData(b) || len(own.Params()) != 2 {
		t.Fatal("layers without a common name share weights")
	}
	before := slices.Clone(first.Diff())
	for i, got := range first.Diff() {
		if want := a.Diff()[i] + b.Diff()[i]; got == 0 || !alike(float64(got), float64(want)) {
			t.Fatalf("gradient %d is %g, want %g, the sum of %g and %g", i, got, want, a.Diff()[i], b.Diff()[i])
		}
	}
	shared.Update()
	for i, got := range second.Data() {
		if want := 0.5 - before[i]; got != want {
			t.Fatalf("weight %d is %g after the update, want %g", i, got, want)
		}
	}
	shared.ClearParamDiffs()
	if slices.ContainsFunc(second.Diff(), func(d float32) bool { return d != 0 }) {
		t.Error("the gradients are not cleared")
	}
}

// As Caffe's TestSharedWeightsResume: shared weights survive a file.
func TestSharedSaved(t *testing.T) {
	text := chain("param { name: 'w' }", "param { name: 'w' }")
	old := trained(t, text)
	old.Update()
	again := build(t, text, Options{})
	if err := again.CopyTrainedFrom(old.ToProto(false), "old"); err != nil {
		t.Fatal(err)
	}
	a, b := again.Layers()[1].Params[0], again.Layers()[2].Params[0]
	if !a.SharesData(b) || !a.SharesDiff(b) || !slices.Equal(a.Data(), old.Params()[0].Blob.Data()) {
		t.Error("the weights are not shared, or not those that were saved")
	}
}

func TestParamsInOrder(t *testing.T) {
	var r recorder
	n := build(t, `layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 4 dim: 6 } } }
layer { name: 'a' type: 'InnerProduct' bottom: 'x' top: 'a' param { name: 'w' } param { lr_mult: 2 decay_mult: 0 } inner_product_param { num_output: 6 } }
layer { name: 'b' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 6 } }
layer { name: 'c' type: 'InnerProduct' bottom: 'b' top: 'c' param { name: 'w' lr_mult: 3 } param { name: 'v' } inner_product_param { num_output: 6 } }
layer { name: 'd' type: 'InnerProduct' bottom: 'c' top: 'd' param { name: 'w' lr_mult: 3 decay_mult: 0.5 share_mode: PERMISSIVE } inner_product_param { num_output: 6 bias_term: false } }
`, Options{Observer: r.observer()})
	type row struct {
		layer, name string
		index       int
		lr, decay   float32
	}
	want := []row{{"a", "w", 0, 3, 0.5}, {"a", "1", 1, 2, 0}, {"b", "0", 0, 1, 1}, {"b", "1", 1, 1, 1}, {"c", "v", 1, 1, 1}}
	var got []row
	for _, p := range n.Params() {
		got = append(got, row{p.Layer, p.Name, p.Index, p.LRMult, p.DecayMult})
	}
	if !slices.Equal(got, want) {
		t.Errorf("learned weights are\n%v\nwant\n%v", got, want)
	}
	wantLog := []string{"Sharing parameters 'w' owned by layer 'a', param index 0", "Sharing parameters 'w' owned by layer 'a', param index 0"}
	if log := r.from("net.cpp:467"); !slices.Equal(log, wantLog) {
		t.Errorf("log is %q, want %q", log, wantLog)
	}
}

// A net for testing uses the weights of the net that is trained, and follows
// them.
func TestShareTrainedWith(t *testing.T) {
	train := trained(t, chain("", "")+ip("only", "x", "only", 4, ""))
	var r recorder
	test := build(t, chain("", "")+ip("other", "x", "other", 4, ""), Options{Observer: r.observer()})
	if err := test.ShareTrainedWith(train); err != nil {
		t.Fatal(err)
	}
	train.Update()
	for i := 1; i < 3; i++ {
		if a, b := train.Params()[i-1].Blob, test.Params()[i-1].Blob; !a.SharesData(b) || a.SharesDiff(b) {
			t.Errorf("weights %d: want the same values and separate gradients", i)
		}
	}
	if got := r.from("net.cpp:678"); !slices.Equal(got, []string{"Ignoring source layer only"}) {
		t.Errorf("log is %q, want a line about the layer that the net does not have", got)
	}
}

func TestShareTrainedWithMisfits(t *testing.T) {
	train := build(t, chain("", ""), Options{})
	tests := []struct{ text, want string }{
		{strings.Replace(chain("", ""), "num_output: 10", "num_output: 20", 1),
			`net.prototxt:2:1: layer "a": cannot share param 0: its shape is 20 10 (200), in the other net 10 10 (100)`},
		{strings.Replace(chain("", ""), "bias_term: false", "", 1),
			`net.prototxt:2:1: layer "a": cannot share weights: it has 2 blobs, the layer in the other net has 1`},
	}
	for _, test := range tests {
		n := build(t, test.text, Options{})
		if err := n.ShareTrainedWith(train); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
		for _, l := range n.Layers() {
			if len(l.Params) > 0 && l.Params[0].SharesData(train.layerByName(l.Name).Params[0]) {
				t.Errorf("layer %s shares weights although another cannot", l.Name)
			}
		}
	}
}

// The order of the layers in a file does not matter to weights, and a shared
// blob may have another shape of the same count.
func TestPermissiveShapes(t *testing.T) {
	n := build(t, `layer { name: 'in' type: 'Input' top: 'x' top: 'y' input_param { shape { dim: 2 dim: 6 } shape { dim: 2 dim: 4 } } }
layer { name: 'a' type: 'InnerProduct' bottom: 'x' top: 'a' param { name: 'w' } inner_product_param { num_output: 4 bias_term: false } }
layer { name: 'b' type: 'InnerProduct' bottom: 'y' top: 'b' param { name: 'w' share_mode: PERMISSIVE } inner_product_param { num_output: 6 bias_term: false } }`, Options{})
	a, b := n.Layers()[1].Params[0], n.Layers()[2].Params[0]
	if !a.SharesData(b) || !a.ShapeEqual([]int{4, 6}) || !b.ShapeEqual([]int{6, 4}) {
		t.Errorf("weights of shapes %v and %v, want [4 6] and [6 4] in the same memory", a.Shape(), b.Shape())
	}
	if _, err := n.Forward(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestStatistics checks which weights count as statistics, and that nets clear all
// gradients but theirs.
func TestStatistics(t *testing.T) {
	n := build(t, `
		layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
		layer { name: "a" type: "BatchNorm" bottom: "x" top: "a" param { name: "mean" lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } }
		layer { name: "b" type: "BatchNorm" bottom: "a" top: "b" param { name: "mean" lr_mult: 0 } param { lr_mult: 0 } param { name: "factor" lr_mult: 0 } }
		layer { name: "s" type: "Parameter" top: "s" param { name: "factor" lr_mult: 0 } parameter_param { shape { dim: 1 } } }
		layer { name: "ip" type: "InnerProduct" bottom: "b" top: "ip" inner_product_param { num_output: 2 } }`, Options{State: &caffepb.NetState{Phase: caffepb.Phase_TRAIN.Enum()}})
	want := map[string]bool{"a0": true, "a1": true, "a2": true, "b1": true, "b2": false, "ip0": false, "ip1": false} // b2 is trained as s
	got := make(map[string]bool)
	for _, p := range n.Params() {
		got[p.Layer+strconv.Itoa(p.Index)] = p.Statistic
		fill(p.Blob.MutableDiff(), 1)
	}
	if !maps.Equal(got, want) {
		t.Errorf("statistics are %v, want %v", got, want)
	}
	if err := n.ClearParamDiffs(); err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Params() {
		if cleared := p.Blob.Diff()[0] == 0; cleared == p.Statistic {
			t.Errorf("%s, weights %d: the gradient is cleared: %v", p.Layer, p.Index, cleared)
		}
	}
}
