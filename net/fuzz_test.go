package net

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/hdf5"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// FuzzLoadWeights loads files into a net. A file that is refused changes nothing; one
// that is taken changes no shape, and is taken again with the same result.
func FuzzLoadWeights(f *testing.F) {
	const text = `layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 3 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "b" }
layer { name: "ip" type: "InnerProduct" bottom: "b" top: "y" inner_product_param { num_output: 2 } }`
	file, err := prototxt.ParseNet("net.prototxt", []byte(text))
	if err != nil {
		f.Fatal(err)
	}
	build := func(t testing.TB) *Net {
		n, err := New(file, Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := build(f)
	p := n.ToProto(false)
	whole, err := proto.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)/2], false)
	p.Layer = append(p.Layer, &caffepb.LayerParameter{Name: proto.String("ip"), Blobs: []*caffepb.BlobProto{{Data: []float32{1}, Num: proto.Int32(1)}}})
	extra, err := proto.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(extra, true)
	if _, err := hdf5.LibraryVersion(); err == nil { // such a file is known by its first bytes
		path := filepath.Join(f.TempDir(), "w.h5")
		if err := n.SaveWeights(path, true); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
	}
	if err := n.Close(); err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, all bool) {
		n := build(t)
		defer n.Close()
		before := weightsOf(n)
		path := filepath.Join(dir, "w.caffemodel")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := n.loadWeights(path, all); err != nil {
			if !slices.Equal(weightsOf(n), before) {
				t.Errorf("weights have changed in spite of: %v", err)
			}
			if strings.Contains(err.Error(), "panic") {
				t.Error(err)
			}
			return
		}
		after := weightsOf(n)
		if len(after) != len(before) {
			t.Fatalf("%d weights, want %d", len(after), len(before))
		}
		if err := n.loadWeights(path, all); err != nil || !slices.EqualFunc(weightsOf(n), after, same) {
			t.Errorf("the second time it is another result: %v", err)
		}
	})
}

// weightsOf returns all weights of a net.
func weightsOf(n *Net) (all []float32) {
	for _, l := range n.Layers() {
		for _, p := range l.Params {
			all = append(all, p.Data()...)
		}
	}
	return all
}

// same reports whether two numbers are equal or both NaN.
func same(a, b float32) bool { return a == b || a != a && b != b }
