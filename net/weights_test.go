package net

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
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
			`w.caffemodel: layer "b": cannot copy param 0: its shape in the file is 4 2 (8), in the net (net.prototxt:4:1) 2 4 (8); to learn the layer from scratch, rename it`},
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
	for _, path := range []string{filepath.Join(dir, "absent.caffemodel"), filepath.Join(dir, "x.caffemodel.h5")} {
		if err := n.LoadWeights(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
	if err := n.SaveWeights(filepath.Join(dir, "x.caffemodel.h5"), false); err == nil || !strings.Contains(err.Error(), "HDF5") {
		t.Errorf("got %v, want an error about HDF5", err)
	}
	if !proto.Equal(n.ToProto(false), before) {
		t.Error("some weights have been changed")
	}
}
