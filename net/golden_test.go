package net

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// tolerances reads the lines of a tolerance.txt that begin with the given
// words, which are followed by one or two numbers: absolute and relative.
func tolerances(t *testing.T, path string) func(words ...any) (abs, rel float64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(words ...any) (abs, rel float64) {
		key := strings.TrimSuffix(fmt.Sprintln(words...), "\n") + " "
		for line := range strings.Lines(string(text)) {
			if numbers, ok := strings.CutPrefix(line, key); ok {
				if _, err := fmt.Sscan(numbers, &abs, &rel); err != nil && abs == 0 && rel == 0 {
					t.Fatalf("%s: %q: %v", path, line, err)
				}
				return abs, rel
			}
		}
		t.Fatalf("%s has no line for %q", path, key)
		return 0, 0
	}
}

// compare fails if a value is not |got - want| <= abs + rel*|want|.
func compare(t *testing.T, what string, got, want []float32, abs, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if !(d <= abs+rel*math.Abs(float64(w))) && got[i] != w {
			t.Fatalf("%s[%d] is %g, want %g (difference %g, allowed %g)", what, i, got[i], w, d, abs+rel*math.Abs(float64(w)))
		}
	}
}

func readNet(t *testing.T, path string, opts Options) *Net {
	t.Helper()
	file, err := prototxt.ReadNet(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// idx returns the bytes of an IDX file from item first on, and the size of an
// item.
func idx(t *testing.T, path string, headers, first, items int) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	size := 1
	if headers == 4 {
		size = 28 * 28
	}
	return all[4*headers+first*size : 4*headers+(first+items)*size]
}

// feed fills the inputs with test images of MNIST.
func feed(t *testing.T, n *Net, images, labels []byte, shift, scale float32) {
	t.Helper()
	items := len(labels)
	if err := n.Blob("data").Reshape(items, 1, 28, 28); err != nil {
		t.Fatal(err)
	}
	if err := n.Blob("label").Reshape(items); err != nil {
		t.Fatal(err)
	}
	for i, pixel := range images {
		n.Blob("data").MutableData()[i] = (float32(pixel) - shift) * scale
	}
	for i, label := range labels {
		n.Blob("label").MutableData()[i] = float32(label)
	}
}

// TestGoldenNets compares blobs of trained nets, and their score on the test
// images of MNIST, with those of Caffe.
func TestGoldenNets(t *testing.T) {
	tests := []struct {
		net, weights string
		shift, scale float32
		outputs      []string
	}{
		{"lenet", "after_100.caffemodel", 0, 1. / 256, []string{"pool2", "ip1", "ip2"}},
		{"liunet_16", "after_20.caffemodel", 127.5, 1. / 128, []string{"pool2", "pool3", "ip1_n", "ip2"}},
	}
	mnist := reference.Data(t, "mnist")
	const items, batch = 10000, 100
	images := idx(t, filepath.Join(mnist, "t10k-images-idx3-ubyte.gz"), 4, 0, items)
	labels := idx(t, filepath.Join(mnist, "t10k-labels-idx1-ubyte.gz"), 2, 0, items)
	for _, test := range tests {
		t.Run(test.net, func(t *testing.T) {
			dir := reference.Golden(t, "nets/"+test.net)
			n := readNet(t, filepath.Join(dir, "test.prototxt"), Options{})
			if err := n.LoadWeights(filepath.Join(dir, test.weights)); err != nil {
				t.Fatal(err)
			}
			tolerance := tolerances(t, filepath.Join(dir, "tolerance.txt"))
			const few = 32
			feed(t, n, images[:few*28*28], labels[:few], test.shift, test.scale)
			forward(t, n)
			want := reference.Arrays(t, filepath.Join(dir, "outputs.binaryproto"))
			for _, name := range test.outputs {
				abs, _ := tolerance("outputs", name)
				compare(t, name, n.Blob(name).Data(), want["outputs "+name][0].Data, abs, 0)
			}
			if testing.Short() {
				return
			}
			var accuracy, loss float64
			for i := 0; i < items; i += batch {
				feed(t, n, images[i*28*28:(i+batch)*28*28], labels[i:i+batch], test.shift, test.scale)
				loss += float64(forward(t, n))
				accuracy += float64(n.Blob("accuracy").Data()[0])
			}
			var wantAccuracy, wantLoss float64
			text, err := os.ReadFile(filepath.Join(dir, "test.txt"))
			if err != nil {
				t.Fatal(err)
			}
			_, numbers, _ := strings.Cut(string(text), "\n") // after a comment
			if _, err := fmt.Sscan(numbers, &wantAccuracy, &wantLoss); err != nil {
				t.Fatalf("test.txt: %v in %q", err, text)
			}
			if abs, _ := tolerance("test_accuracy"); math.Abs(accuracy*batch/items-wantAccuracy) > abs+1e-6 {
				t.Errorf("accuracy is %g, want %g", accuracy*batch/items, wantAccuracy)
			}
			if rel, _ := tolerance("test_loss"); math.Abs(loss*batch/items-wantLoss) > rel*wantLoss+1e-6 {
				t.Errorf("mean loss is %g, want %g", loss*batch/items, wantLoss)
			}
		})
	}
}

// TestGoldenFiles runs nets from files of all ages with weights from files of
// all ages.
func TestGoldenFiles(t *testing.T) {
	tests := []struct{ net, weights, golden, output string }{
		{"weights/net.prototxt", "weights/model.caffemodel", "weights/golden.binaryproto", "sum"},
		{"upgrade/v0.prototxt", "upgrade/v0.caffemodel", "upgrade/v0.golden.binaryproto", "prob"},
		{"upgrade/v0.upgraded.prototxt", "upgrade/v0.upgraded.caffemodel", "upgrade/v0.golden.binaryproto", "prob"},
		{"upgrade/v0.upgraded.prototxt", "upgrade/v0.caffemodel", "upgrade/v0.golden.binaryproto", "prob"},
		{"upgrade/v1.prototxt", "upgrade/v1.caffemodel", "upgrade/v1.golden.binaryproto", "prob"},
		{"upgrade/v1.upgraded.prototxt", "upgrade/v1.upgraded.caffemodel", "upgrade/v1.golden.binaryproto", "prob"},
		{"upgrade/v1.prototxt", "upgrade/v1.upgraded.caffemodel", "upgrade/v1.golden.binaryproto", "prob"},
		{"weights/net.prototxt", "weights/model.caffemodel.h5", "weights/golden.binaryproto", "sum"},
	}
	formats := reference.Golden(t, "formats")
	for _, test := range tests {
		t.Run(test.net+" "+test.weights, func(t *testing.T) {
			if filepath.Ext(test.weights) == ".h5" {
				hdf5test.Need(t)
			}
			n := readNet(t, filepath.Join(formats, test.net), Options{})
			if err := n.LoadAllWeights(filepath.Join(formats, test.weights)); err != nil {
				t.Fatal(err)
			}
			values := reference.Arrays(t, filepath.Join(formats, test.golden))
			copy(n.Blob(n.Inputs()[0]).MutableData(), values["inputs"][0].Data)
			forward(t, n)
			// The sums of a few hundred products differ by their order.
			compare(t, test.output, n.Blob(test.output).Data(), values["outputs"][0].Data, 1e-5, 1e-4)
		})
	}
}

// TestGoldenModels loads weights that Caffe has written into the net that it
// wrote them from, and wants the same file back.
func TestGoldenModels(t *testing.T) {
	tests := []struct{ dir, net, weights string }{
		{"nets/lenet", "train.prototxt", "start.caffemodel"},
		{"nets/liunet_16", "train.prototxt", "snap_iter_10.caffemodel"},
		{"solvers/shared_weights", "net.prototxt", "start.caffemodel"},
		{"solvers/shared_permissive", "net.prototxt", "start.caffemodel"},
		{"solvers/batch_norm", "net.prototxt", "start.caffemodel"},
		{"formats/weights", "net.prototxt", "model.caffemodel"},
		{"formats", "logs/net.prototxt", "logs/small_iter_100.caffemodel"},
	}
	for _, test := range tests {
		t.Run(test.dir, func(t *testing.T) {
			dir := reference.Golden(t, test.dir)
			t.Chdir(dir) // its database is relative to it
			want := new(caffepb.NetParameter)
			if err := prototxt.ReadBinary(filepath.Join(dir, test.weights), want); err != nil {
				t.Fatal(err)
			}
			st := &caffepb.NetState{Phase: want.Layer[0].Phase}
			n := readNet(t, filepath.Join(dir, test.net), Options{State: st})
			if err := n.CopyTrainedFrom(want, test.weights); err != nil {
				t.Fatal(err)
			}
			got := n.ToProto(false)
			if names(got.Layer) != names(want.Layer) || got.GetName() != want.GetName() {
				t.Fatalf("net %q has the layers\n%s\nwant %q with\n%s", got.GetName(), names(got.Layer), want.GetName(), names(want.Layer))
			}
			for i, l := range got.Layer {
				if !proto.Equal(l, want.Layer[i]) {
					l.Blobs, want.Layer[i].Blobs = nil, nil
					t.Errorf("layer %s is\n%s\nwant\n%s", l.GetName(), prototxt.Marshal(l), prototxt.Marshal(want.Layer[i]))
				}
			}
		})
	}
}

// TestGoldenLayers runs the golden cases of single layers in a net: with the
// inputs, the need of gradients and the loss weights that a net decides on.
func TestGoldenLayers(t *testing.T) {
	root := reference.Golden(t, "layers")
	cases, err := filepath.Glob(filepath.Join(root, "*", "*", "net.prototxt"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, path := range cases {
		dir := filepath.Dir(path)
		typ := filepath.Base(filepath.Dir(dir))
		if info := layers.Lookup(typ); info == nil || info.Plugin != nil {
			continue // no layer of Caffe's: plugins have tests of their own
		}
		if strings.HasPrefix(filepath.Base(dir), "normface") {
			continue // options of another Caffe
		}
		ran++
		t.Run(typ+"/"+filepath.Base(dir), func(t *testing.T) { goldenLayer(t, dir) })
	}
	if ran < 50 {
		t.Errorf("%d cases ran, want 50 at least", ran)
	}
}

func goldenLayer(t *testing.T, dir string) {
	t.Chdir(dir) // sources are relative to it
	file, err := prototxt.ReadNet("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	values := reference.Arrays(t, "golden.binaryproto")
	tolerance := tolerances(t, "tolerance.txt")
	l := n.layerByName("layer")
	for i, p := range values["params"] {
		if err := l.Params[i].FromProto(p, false); err != nil {
			t.Fatal(err)
		}
	}
	// In place layers overwrite their input, and bottoms may have an in-place
	// layer of their own in front, so only names tell the inputs.
	feedBottoms := func(entry string) {
		for i, p := range values[entry] {
			if err := n.Blob(fmt.Sprintf("bottom%d", i)).FromProto(p, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	feedBottoms("bottoms")
	for i := range l.Bottoms {
		if down := values["bottom_diffs"]; i < len(down) && len(down[i].Data) > 0 {
			fill(l.Bottoms[i].MutableDiff(), 0)
		}
	}
	n.ClearParamDiffs()
	forward(t, n)
	check := func(entry string, blobs []*blob.Blob, diff bool) {
		for i, want := range values[entry] {
			if len(want.Data) == 0 && len(want.GetShape().GetDim()) == 1 {
				continue // keeps a place
			}
			abs, rel := tolerance(entry, i)
			got := blobs[i].Data()
			if diff {
				got = blobs[i].Diff()
			}
			compare(t, fmt.Sprintf("%s %d", entry, i), got, want.Data, abs, rel)
			if !diff && !blobs[i].ShapeEqual(blob.ProtoShape(want)) {
				t.Errorf("%s %d has shape %v, want %v", entry, i, blobs[i].Shape(), blob.ProtoShape(want))
			}
		}
	}
	check("tops", l.Tops, false)
	if len(values["bottom_diffs"])+len(values["param_diffs"]) > 0 {
		for i, p := range values["top_diffs"] {
			if len(p.Data) > 0 {
				copy(l.Tops[i].MutableDiff(), p.Data)
			}
		}
		i := slices.Index(n.layers, l)
		if !l.NeedsBackward {
			t.Fatal("the net does not run the layer backward")
		}
		if err := n.BackwardLayer(context.Background(), i); err != nil {
			t.Fatal(err)
		}
		check("bottom_diffs", l.Bottoms, true)
		check("param_diffs", l.Params, true)
	}
	check("params_after", l.Params, false)
}
