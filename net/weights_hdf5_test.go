package net

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/proto"
)

// TestHDF5Dump loads weights that Caffe has written to an HDF5 file, writes them, and
// wants that h5dump prints the same of both files: the whole tree, types, shapes and
// values. Shared weights are left out but for the owner's.
func TestHDF5Dump(t *testing.T) {
	hdf5test.Need(t)
	formats := reference.Golden(t, "formats/weights")
	want := filepath.Join(formats, "model.caffemodel.h5")
	var r recorder
	n := readNet(t, filepath.Join(formats, "net.prototxt"), Options{Observer: r.observer()})
	if err := n.LoadAllWeights(want); err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(t.TempDir(), "got.caffemodel.h5")
	if err := n.SaveWeights(got, false); err != nil {
		t.Fatal(err)
	}
	dump := func(path string) string {
		_, text, _ := strings.Cut(hdf5test.Dump(t, "-m", "%.9g", path), "\n") // without the name
		return text
	}
	if lines := r.from("hdf5.cpp:33"); !slices.Equal(lines, []string{"Datatype class: H5T_FLOAT"}) {
		t.Errorf("the log has %q, want the class of the elements once", lines)
	}
	if g, w := dump(got), dump(want); g != w || !strings.Contains(w, `GROUP "ip2"`) {
		t.Errorf("h5dump prints of our file\n%s\nof Caffe's\n%s", g, w)
	}
}

// TestHDF5Gradients has h5py read weights and gradients that we have written.
func TestHDF5Gradients(t *testing.T) {
	hdf5test.Need(t)
	n := build(t, weighted2, Options{Seed: 1})
	for _, p := range n.Params() {
		set(p.Blob)
		fill(p.Blob.MutableDiff(), float32(len(p.Layer)))
	}
	path := filepath.Join(t.TempDir(), "x.caffemodel.h5")
	if err := n.SaveWeights(path, true); err != nil {
		t.Fatal(err)
	}
	out := hdf5test.Python(t, `
import h5py, sys
f = h5py.File(sys.argv[1], "r")
def show(name, d):
    if isinstance(d, h5py.Dataset):
        print(name, d.dtype, d.shape, d[()].ravel().tolist())
f.visititems(show)`, path)
	for _, want := range []string{
		"data/a/0 float32 (4, 3) [0.25, -0.5, 0.75,", "data/a/1 float32 (4,) [0.25, -0.5, 0.75, -1.0]",
		"data/b/1 float32 (2,) [0.25, -0.5]", "diff/b/1 float32 (2,) [1.0, 1.0]",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("h5py reads\n%swant a line with %q", out, want)
		}
	}
	if lines := strings.Count(out, "\n"); lines != 8 {
		t.Errorf("h5py reads %d datasets, want 8:\n%s", lines, out)
	}
}

// slashes is a net with layers named as those of GoogLeNet are, and two layers of one
// name of which one has no weights.
const slashes = `
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "inception" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 2 weight_filler { type: "gaussian" } } }
layer { name: "inception/1x1" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 4 weight_filler { type: "gaussian" } } }
layer { name: "inception/1x1" type: "ReLU" bottom: "b" top: "b" }
layer { name: "inception/3x3/reduce" type: "InnerProduct" bottom: "b" top: "c" inner_product_param { num_output: 5 weight_filler { type: "gaussian" } } }`

// TestHDF5Names writes and reads names with slashes, which Caffe cannot.
func TestHDF5Names(t *testing.T) {
	hdf5test.Need(t)
	path := filepath.Join(t.TempDir(), "x.caffemodel.h5")
	n := build(t, slashes, Options{Seed: 1})
	if err := n.SaveWeights(path, false); err != nil {
		t.Fatal(err)
	}
	again := build(t, slashes, Options{Seed: 2})
	if err := again.LoadAllWeights(path); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(again.ToProto(false), n.ToProto(false)) {
		t.Error("the weights have changed")
	}
	var r recorder
	part := build(t, `name: "p" layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }`, Options{Observer: r.observer()})
	if err := part.LoadWeights(path); err != nil {
		t.Fatal(err)
	}
	want := []string{"Ignoring source layer inception", "Ignoring source layer inception/1x1", "Ignoring source layer inception/3x3/reduce"}
	if got := r.from("net.cpp:801"); !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// TestHDF5Errors gives weights that do not fit, and names that cannot be written.
func TestHDF5Errors(t *testing.T) {
	hdf5test.Need(t)
	dir := t.TempDir()
	write := func(name string, sets map[string][]int) string {
		path := filepath.Join(dir, name)
		w, err := hdf5.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		for set, shape := range sets {
			if shape == nil {
				err = w.Group(set)
			} else {
				count := 1
				for _, n := range shape {
					count *= n
				}
				err = w.Write(set, shape, make([]float32, count))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b := map[string][]int{"data/b/0": {2, 4}, "data/b/1": {2}}
	for name, c := range map[string]struct {
		sets map[string][]int
		want string
	}{
		"keras.h5": {map[string][]int{"model_weights/dense/kernel": {3}}, "not Caffe's weights in HDF5 (.caffemodel.h5): it has no group data"},
		"state.h5": {map[string][]int{"iter": {1}, "history/0": {1}}, "it is a solver state"},
		"shape.h5": {map[string][]int{"data/a/0": {3, 4}, "data/a/1": {4}}, `layer "a": cannot copy param 0: its shape in the file is 3 4 (12), in the net`},
		"count.h5": {map[string][]int{"data/a/0": {4, 3}}, `layer "a": the file has 1 blob of weights, the layer has 2`},
		"more.h5":  {map[string][]int{"data/a/0": {4, 3}, "data/a/1": {4}, "data/a/2": {4}}, `layer "a": the file has 3 blobs of weights, the layer has 2`},
		"hole.h5":  {map[string][]int{"data/a/1": {4}}, `layer "a": the file has no param 0, and the layer does not share it`},
		"none.h5":  {map[string][]int{"data/a": nil}, `layer "a": the file has no blobs of weights, the layer has 2`},
		"name.h5":  {map[string][]int{"data/a/00": {4, 3}}, `"/data/a/00" is not what Caffe's weights have there`},
		"top.h5":   {map[string][]int{"data/0": {4, 3}}, `"/data/0" is not what Caffe's weights have there`},
		"many.h5":  {map[string][]int{"data/a/1000000": {1}}, `want at most 4096 blobs in a layer`},
		"part.h5":  {b, `has no weights for layer "a"`},
	} {
		n := build(t, weighted2, Options{Seed: 1})
		before := n.ToProto(false)
		path := write(name, c.sets)
		load := n.LoadWeights
		if name == "part.h5" {
			load = n.LoadAllWeights
		}
		if err := load(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
		if !proto.Equal(n.ToProto(false), before) {
			t.Errorf("%s: the weights have changed", name)
		}
	}
	for _, name := range []string{"", "/a", "a//b", "a/", ".", "a/../b"} {
		n := build(t, strings.Replace(weighted2, "name: 'a'", fmt.Sprintf("name: %q", name), 1), Options{})
		path := filepath.Join(dir, "x.h5")
		want := regexp.QuoteMeta(fmt.Sprintf("layer %q cannot be written to an HDF5 file", name))
		if err := n.SaveWeights(path, false); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("name %q: got error %v, want one with %q", name, err, want)
		}
	}
	n := build(t, twins, Options{})
	if err := n.SaveWeights(filepath.Join(dir, "twins.h5"), false); err == nil || !strings.Contains(err.Error(), `layer "fc"`) || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("two layers of one name: got error %v", err)
	}
}
