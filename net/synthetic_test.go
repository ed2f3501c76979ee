package net

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/prototxt"
)

// absent is a net for training whose database is not there.
const absent = `
layer { name: 'd' type: 'Data' top: 'data' top: 'label' data_param { source: 'no/such/db' batch_size: 6 backend: LMDB } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 7 weight_filler { type: 'xavier' } } }
layer { name: 'acc' type: 'Accuracy' bottom: 'ip' bottom: 'label' top: 'acc' }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }
`

func TestSynthetic(t *testing.T) {
	opts := Options{State: state(t, "TRAIN"), Seed: 1, Synthetic: &Synthetic{Shape: []int{3, 8, 10}}}
	n := build(t, absent, opts)
	data, label := n.Blob("data"), n.Blob("label")
	if !data.ShapeEqual([]int{6, 3, 8, 10}) || !label.ShapeEqual([]int{6}) {
		t.Fatalf("data and label have the shapes %v and %v, want [6 3 8 10] and [6]", data.Shape(), label.Shape())
	}
	loss := forward(t, n)
	backward(t, n)
	if loss <= 0 || loss > 20 {
		t.Errorf("loss is %g, want a usual one", loss)
	}
	var sum, squares float64
	for _, x := range data.Data() {
		sum, squares = sum+float64(x), squares+float64(x*x)
	}
	// 1440 numbers: four standard errors of mean and variance
	if mean, variance := sum/1440, squares/1440; math.Abs(mean) > 0.11 || math.Abs(variance-1) > 0.15 {
		t.Errorf("the data has mean %g and variance %g, want about 0 and 1", mean, variance)
	}
	first := slices.Clone(data.Data())
	fill(data.MutableData(), 9) // as a layer in place would do
	if again := forward(t, n); again != loss || !slices.Equal(data.Data(), first) {
		t.Errorf("the second pass has loss %g, want %g of the same data", again, loss)
	}
	other := build(t, absent, Options{State: opts.State, Seed: 2, Synthetic: opts.Synthetic})
	forward(t, other)
	if slices.Equal(other.Blob("data").Data(), first) {
		t.Error("another seed gives the same data")
	}
	few := build(t, absent, Options{Synthetic: &Synthetic{Shape: []int{3, 8, 10}, Batch: 2}})
	if !few.Blob("data").ShapeEqual([]int{2, 3, 8, 10}) {
		t.Errorf("with batch 2 the data has shape %v", few.Blob("data").Shape())
	}
}

// TestSyntheticLabels has several labels for each image, in one top and in two.
func TestSyntheticLabels(t *testing.T) {
	const text = `layer { name: 'd' type: 'ImageData' top: 'data' top: 'label' %s image_data_param { source: 'no/list' batch_size: 6 label_dim: 2 } }`
	for second, want := range map[string][]int{"": {6, 2}, "top: 'second'": {6}} {
		n := build(t, fmt.Sprintf(text, second), Options{Synthetic: &Synthetic{Shape: []int{3, 8, 10}}})
		if label := n.Blob("label"); !label.ShapeEqual(want) {
			t.Errorf("with %q the labels have the shape %v, want %v", second, label.Shape(), want)
		}
	}
}

// Labels are those that all layers below know.
func TestSyntheticClasses(t *testing.T) {
	const input = `layer { name: 'd' type: 'Data' top: 'data' top: 'label' data_param { source: 'no/such/db' batch_size: 500 backend: LMDB } }
`
	tests := []struct {
		layers string
		want   int
	}{
		{ip("ip", "data", "ip", 7, "") + "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' }", 7},
		{ip("a", "data", "a", 7, "") + "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'a' bottom: 'label' }\n" +
			ip("b", "data", "b", 4, "") + "layer { name: 'm' type: 'Accuracy' bottom: 'b' bottom: 'label' top: 'm' }", 4},
		{ip("ip", "data", "ip", 5, "") + "layer { name: 'f' type: 'Flatten' bottom: 'label' top: 'f' flatten_param { axis: 0 } }\n" +
			"layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'f' }", 5},
		{"layer { name: 's' type: 'Silence' bottom: 'data' bottom: 'label' }", 2}, // channels of the data
		{"", 1},
	}
	for _, test := range tests {
		n := build(t, input+test.layers, Options{Synthetic: &Synthetic{Shape: []int{2, 3, 3}}})
		forward(t, n)
		seen := make(map[float32]bool)
		for _, v := range n.Blob("label").Data() {
			seen[v] = true
		}
		for v := range test.want {
			if !seen[float32(v)] {
				t.Errorf("%s\nlabel %d does not occur", test.layers, v)
			}
		}
		if len(seen) != test.want {
			t.Errorf("%s\nthe labels are %v, want 0 to %d", test.layers, seen, test.want-1)
		}
	}
}

// Without a shape the data layer is asked, and says what it lacks.
func TestSyntheticWithoutShape(t *testing.T) {
	_, err := New(parse(t, absent), Options{Synthetic: &Synthetic{}})
	var source *SourceError
	if !errors.As(err, &source) || !errors.Is(err, fs.ErrNotExist) || !slices.Contains(source.Sources, "no/such/db") {
		t.Fatalf("got %v, want a SourceError about no/such/db", err)
	}
	if !strings.HasPrefix(err.Error(), "net.prototxt:2:") || strings.Count(err.Error(), `layer "d"`) != 1 {
		t.Errorf("got %v, want place and layer once", err)
	}
	// Other errors of the file come with it.
	_, err = New(parse(t, absent+"layer { name: 'x' type: 'ReLu6' bottom: 'ip' top: 'x' }"), Options{Synthetic: &Synthetic{}})
	var list prototxt.ErrorList
	if !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("got %v, want two errors", err)
	}
}

// Layers that make their data themselves are left as they are.
func TestSyntheticLeavesOthers(t *testing.T) {
	n := build(t, tinyInput+silence+"layer { name: 'p' type: 'Power' bottom: 'data' top: 'p' }", Options{Synthetic: &Synthetic{Shape: []int{1, 1, 1}}})
	if !n.Blob("data").ShapeEqual([]int{5, 2, 3, 4}) {
		t.Errorf("the input has shape %v, want its own", n.Blob("data").Shape())
	}
}

// A data layer whose source is there tells the shape itself.
func TestSyntheticFromSource(t *testing.T) {
	t.Chdir(reference.Golden(t, "formats"))
	const text = `layer { name: 'd' type: 'Data' top: 'data' top: 'label' data_param { source: 'idx_lmdb' batch_size: 6 backend: LMDB } }
layer { name: 's' type: 'Silence' bottom: 'data' bottom: 'label' }`
	for batch, want := range map[int][]int{0: {6, 1, 14, 12}, 3: {3, 1, 14, 12}} {
		n := build(t, text, Options{Synthetic: &Synthetic{Batch: batch}})
		forward(t, n)
		if got := n.Blob("data").Shape(); !slices.Equal(got, want) {
			t.Errorf("batch %d: the data has shape %v, want %v", batch, got, want)
		}
		if n.Blob("data").Data()[0] == 0 || n.Blob("label").Count() != want[0] {
			t.Errorf("batch %d: no data has been made up", batch)
		}
	}
}
