package net

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

const weighted2 = `name: 'w'
layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 3 } } }
layer { name: 'a' type: 'InnerProduct' bottom: 'x' top: 'a' inner_product_param { num_output: 4 weight_filler { type: 'gaussian' } } }
layer { name: 'b' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 2 weight_filler { type: 'gaussian' } } }
layer { name: 'c' type: 'EuclideanLoss' bottom: 'b' bottom: 'b' top: 'c' }
`

// ToProto gives what Caffe writes: the phase and the loss weight that the net
// has set are there, and the splits too.
func TestToProto(t *testing.T) {
	n := build(t, weighted2, Options{})
	p := n.ToProto(false)
	if got, want := names(p.Layer), "in a b b_b_0_split c"; got != want || p.GetName() != "w" {
		t.Errorf("net %q has the layers %q, want w with %q", p.GetName(), got, want)
	}
	for _, l := range p.Layer {
		if l.Phase == nil || l.GetPhase() != caffepb.Phase_TEST {
			t.Errorf("layer %s has phase %v, want TEST", l.GetName(), l.Phase)
		}
	}
	if got := p.Layer[4].LossWeight; !slices.Equal(got, []float32{1}) {
		t.Errorf("the loss has loss weights %v, want 1", got)
	}
	if a := p.Layer[1]; len(a.Blobs) != 2 || !slices.Equal(a.Blobs[0].GetShape().GetDim(), []int64{4, 3}) ||
		!slices.Equal(a.Blobs[0].Data, n.Params()[0].Blob.Data()) || a.Blobs[0].Diff != nil {
		t.Errorf("layer a has the blobs %v, want its weights without gradients", a.Blobs)
	}
	fill(n.Params()[0].Blob.MutableDiff(), 3)
	if diff := n.ToProto(true).Layer[1].Blobs[0].Diff; len(diff) != 12 || diff[5] != 3 {
		t.Errorf("the gradients are %v, want twelve times 3", diff)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.caffemodel")
	n := build(t, weighted2, Options{Seed: 1})
	if err := n.SaveWeights(path, false); err != nil {
		t.Fatal(err)
	}
	var r recorder
	again := build(t, strings.Replace(weighted2, "name: 'b'", "name: 'new'", 1), Options{Seed: 2, Observer: r.observer()})
	fresh := slices.Clone(again.Params()[2].Blob.Data())
	if err := again.LoadWeights(path); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Params()[0].Blob.Data(), n.Params()[0].Blob.Data()) {
		t.Error("the weights of layer a have not been loaded")
	}
	if !slices.Equal(again.Params()[2].Blob.Data(), fresh) {
		t.Error("the weights of a layer that the file does not have are not as before")
	}
	if got, want := r.from("net.cpp:746"), []string{"Ignoring source layer b", "Ignoring source layer b_b_0_split"}; !slices.Equal(got, want) {
		t.Errorf("log is %q, want %q", got, want)
	}
}

func TestLoadErrors(t *testing.T) {
	good := build(t, weighted2, Options{Seed: 1}).ToProto(false)
	changed := func(change func(*caffepb.NetParameter)) *caffepb.NetParameter {
		p := proto.Clone(good).(*caffepb.NetParameter)
		change(p)
		return p
	}
	tests := []struct {
		name string
		p    *caffepb.NetParameter
		want string
	}{
		{"fewer blobs", changed(func(p *caffepb.NetParameter) { p.Layer[2].Blobs = p.Layer[2].Blobs[:1] }),
			`w.caffemodel: layer "b": the file has 1 blob of weights, the layer has 2`},
		{"other shape", changed(func(p *caffepb.NetParameter) { p.Layer[2].Blobs[0].Shape.Dim = []int64{4, 2} }),
			`w.caffemodel: layer "b": cannot copy param 0: its shape in the file is 4 2 (8), in the net (net.prototxt:4:1) 2 4 (8); to learn the layer from scratch, rename it; the counts agree: ` + "`gocaffe weights FILE --fit MODEL --to NEW.caffemodel` gives it the net's shape"},
		{"fewer numbers", changed(func(p *caffepb.NetParameter) { p.Layer[2].Blobs[0].Data = make([]float32, 7) }),
			`w.caffemodel: layer "b": cannot copy param 0: shape [2 4] of the file needs 8 numbers, it has 7`},
		{"two layers", changed(func(p *caffepb.NetParameter) { p.Layer[1].Blobs = nil; p.Layer[2].Blobs = nil }),
			`w.caffemodel: layer "a": the file has no blobs of weights, the layer has 2` + "\n" +
				`w.caffemodel: layer "b": the file has no blobs of weights, the layer has 2`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := build(t, weighted2, Options{Seed: 2})
			before := n.ToProto(false)
			err := n.CopyTrainedFrom(test.p, "w.caffemodel")
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if !proto.Equal(n.ToProto(false), before) {
				t.Error("some weights have been changed")
			}
		})
	}
}

// Blobs of old files have four axes: those of size 1 in front are left out.
func TestLoadLegacyShape(t *testing.T) {
	p := build(t, weighted2, Options{Seed: 1}).ToProto(false)
	for _, b := range p.Layer[1].Blobs {
		dims := append([]int64{1, 1, 1, 1}, b.Shape.Dim...)
		dims = dims[len(dims)-4:]
		four := [4]int32{int32(dims[0]), int32(dims[1]), int32(dims[2]), int32(dims[3])}
		b.Shape, b.Num, b.Channels, b.Height, b.Width = nil, &four[0], &four[1], &four[2], &four[3]
	}
	n := build(t, weighted2, Options{Seed: 2})
	if err := n.CopyTrainedFrom(p, "old"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(n.Params()[0].Blob.Data(), p.Layer[1].Blobs[0].Data) {
		t.Error("the weights have not been copied")
	}
	*p.Layer[1].Blobs[0].Num = 2
	if err := n.CopyTrainedFrom(p, "old"); err == nil || !strings.Contains(err.Error(), "its shape in the file is 2 1 4 3 (24), in the net (net.prototxt:3:1) 4 3 (12)") {
		t.Errorf("got %v, want a mismatch of the shapes", err)
	}
}

func TestLoadFileErrors(t *testing.T) {
	n := build(t, weighted2, Options{})
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.caffemodel")
	if err := n.SaveWeights(whole, false); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	before := n.ToProto(false)
	cut := filepath.Join(dir, "cut.caffemodel")
	for _, length := range []int{1, len(data) / 3, len(data) - 1} {
		if err := os.WriteFile(cut, data[:length], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := n.LoadWeights(cut); err == nil || !strings.HasPrefix(err.Error(), cut+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("a file cut to %d of %d bytes: got %v, want one line about it", length, len(data), err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "absent.caffemodel"), filepath.Join(dir, "absent.caffemodel.h5")} {
		if err := n.LoadWeights(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
	if !proto.Equal(n.ToProto(false), before) {
		t.Error("some weights have been changed")
	}
}

// twins is a net with two layers of one name, which Caffe allows.
const twins = `
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } }
layer { name: "fc" type: "ReLU" bottom: "a" top: "a" }
layer { name: "fc" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } }`

// Weights of layers of one name are not lost in a file, nor between nets, and
// a warning says that other programs lose them.
func TestLayersOfOneName(t *testing.T) {
	var warnings []string
	warn := event.Func(func(e any) {
		if n, ok := e.(*event.Note); ok && n.Level == event.Warning {
			warnings = append(warnings, n.Text)
		}
	})
	a := build(t, twins, Options{Seed: 1, Observer: warn})
	if want := `net.prototxt:5:15: two layers are named "fc" and have weights`; len(warnings) != 1 || !strings.HasPrefix(warnings[0], want) ||
		!strings.HasSuffix(warnings[0], "the other is in line 3") {
		t.Errorf("got the warnings %q, want %s ...", warnings, want)
	}
	equal := func(how string, b *Net) {
		t.Helper()
		for i, p := range a.AllParams() {
			if !slices.Equal(p.Blob.Data(), b.AllParams()[i].Blob.Data()) {
				t.Errorf("%s: blob %d differs", how, i)
			}
		}
	}
	b := build(t, twins, Options{Seed: 2})
	if err := b.CopyTrainedFrom(a.ToProto(false), "a"); err != nil {
		t.Fatal(err)
	}
	equal("copied", b)
	c := build(t, twins, Options{Seed: 3})
	if err := c.ShareTrainedWith(a); err != nil {
		t.Fatal(err)
	}
	equal("shared", c)
}

// WeightsCopied reports the layers of the file and of the net that matched or did not.
func TestWeightsCopied(t *testing.T) {
	const text = `
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3 } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3 } }
layer { name: "s" type: "InnerProduct" bottom: "b" top: "s" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }
layer { name: "t" type: "InnerProduct" bottom: "s" top: "t" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }`
	file := build(t, text, Options{}).ToProto(false)
	layer := func(name string) *caffepb.LayerParameter {
		for _, l := range file.Layer {
			if l.GetName() == name {
				return proto.Clone(l).(*caffepb.LayerParameter)
			}
		}
		t.Fatal(name)
		return nil
	}
	other := layer("a")
	other.Name = proto.String("z")
	bad := layer("a")
	bad.Blobs[0].Data[1] = float32(math.NaN())
	var got WeightsCopied
	var warnings []string
	n := build(t, text, Options{Observer: event.Func(func(e any) {
		switch e := e.(type) {
		case *WeightsCopied:
			got = *e
		case *event.Note:
			warnings = append(warnings, e.Text)
		}
	})})
	if err := n.CopyTrainedFrom(&caffepb.NetParameter{Layer: []*caffepb.LayerParameter{bad, layer("s"), other}}, "f"); err != nil {
		t.Fatal(err)
	}
	want := WeightsCopied{File: "f", Copied: []string{"a", "s"}, Ignored: []string{"z"}, Left: []string{"b"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := []string{`f: layer "a": 1 of the 9 elements of param 0 are NaN or infinite`}; !slices.Equal(warnings, want) {
		t.Errorf("got the warnings %q, want %q", warnings, want)
	}
	if err := n.CopyTrainedFrom(&caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("b")}}, "g"); err != nil {
		t.Fatal(err)
	}
	if len(got.Left) != 0 || n.Unloaded() != nil {
		t.Errorf("after the second file: left %q, unloaded %q", got.Left, n.Unloaded())
	}
}

// A file that lacks layers is refused where all are wanted, and nothing changes.
// TestLoadMemory checks that reading weights takes memory for the largest blob, not for the
// whole file.
func TestLoadMemory(t *testing.T) {
	const text = `layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 1 dim: 500 } } }
		layer { name: 'a' type: 'InnerProduct' bottom: 'x' top: 'a' inner_product_param { num_output: 500 weight_filler { type: 'xavier' } } }
		layer { name: 'b' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 500 weight_filler { type: 'xavier' } } }
		layer { name: 'c' type: 'InnerProduct' bottom: 'b' top: 'c' inner_product_param { num_output: 500 weight_filler { type: 'xavier' } } }`
	path := filepath.Join(t.TempDir(), "w.caffemodel")
	n := build(t, text, Options{Seed: 1})
	if err := n.SaveWeights(path, false); err != nil {
		t.Fatal(err)
	}
	m := build(t, text, Options{Seed: 2})
	for _, p := range m.Params() {
		p.Blob.Data()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := m.LoadWeights(path); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if !slices.Equal(m.Params()[4].Blob.Data(), n.Params()[4].Blob.Data()) {
		t.Error("the weights of layer c have not been loaded")
	}
	if got, blob := after.TotalAlloc-before.TotalAlloc, uint64(4*500*500); got > blob+blob/2 {
		t.Errorf("reading three blobs of %d bytes allocated %d", blob, got)
	}
}

func TestLoadAllWeights(t *testing.T) {
	n := build(t, twins, Options{Seed: 1})
	file := n.ToProto(false)
	path := filepath.Join(t.TempDir(), "w.caffemodel")
	if err := prototxt.WriteBinary(path, file); err != nil {
		t.Fatal(err)
	}
	m := build(t, twins, Options{Seed: 2})
	if err := m.LoadAllWeights(path); err != nil {
		t.Error(err)
	}
	last := len(file.Layer) - 1
	file.Layer = file.Layer[:last]
	if err := prototxt.WriteBinary(path, file); err != nil {
		t.Fatal(err)
	}
	m = build(t, twins, Options{Seed: 2})
	before := slices.Clone(m.AllParams()[0].Blob.Data())
	if err := m.LoadAllWeights(path); err == nil || err.Error() != path+` has no weights for layer "fc"` {
		t.Errorf("got %v, want the missing layer", err)
	}
	if !slices.Equal(before, m.AllParams()[0].Blob.Data()) {
		t.Error("weights were copied before the error")
	}
}
