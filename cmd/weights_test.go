package gocaffecmd

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// blobProto returns a blob of a file.
func blobProto(shape []int64, data ...float32) *caffepb.BlobProto {
	return &caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: shape}, Data: data}
}

// writeModel writes a file of weights: one blob as new files have it, one in the old
// form with doubles, one with elements that are not finite.
func writeModel(t *testing.T, path string) {
	t.Helper()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	model := &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{
		{Name: proto.String("data"), Type: proto.String("Input")},
		{Name: proto.String("conv1"), Type: proto.String("Convolution"), Blobs: []*caffepb.BlobProto{
			blobProto([]int64{2, 1, 1, 2}, -1, 0, 2, 3),
			{Num: proto.Int32(1), Channels: proto.Int32(1), Height: proto.Int32(1), Width: proto.Int32(2), DoubleData: []float64{0.25, 0.75}},
		}},
		{Name: proto.String("ip.2"), Type: proto.String("InnerProduct"), Blobs: []*caffepb.BlobProto{
			blobProto([]int64{3}, nan, 5, inf), blobProto([]int64{1}, nan),
		}},
	}}
	if err := prototxt.WriteBinary(path, model); err != nil {
		t.Fatal(err)
	}
}

// TestWeightsList compares the table with numbers computed by hand.
func TestWeightsList(t *testing.T) {
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	const want = `blob       shape   min  mean   max   std  NaN/inf
conv1.0  2x1x1x2    -1     1     3  1.58        0
conv1.1  1x1x1x2  0.25   0.5  0.75  0.25        0
ip.2.0         3     5     5     5     0        2
ip.2.1         1     -     -     -     -        1
4 blobs, 10 elements
`
	if got, _ := mustRun(t, "weights", "x.caffemodel"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	out, _ := mustRun(t, "weights", "x.caffemodel", "--json")
	var rows []weightsRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v, of\n%s", len(rows), err, out)
	}
	if r := rows[0]; r.Layer != "conv1" || r.Blob != 0 || !slices.Equal(r.Shape, []int{2, 1, 1, 2}) || r.Count != 4 ||
		*r.Min != -1 || *r.Mean != 1 || *r.Max != 3 || math.Abs(*r.Std-math.Sqrt(2.5)) > 1e-15 || r.NonFinite != 0 {
		t.Errorf("row 0 is %+v", r)
	}
	if r := rows[3]; r.Layer != "ip.2" || r.Blob != 1 || r.Min != nil || r.NonFinite != 1 {
		t.Errorf("row 3 is %+v", r)
	}
	if _, stderr := mustRun(t, "weights", "x.caffemodel", "--to", "x.npz"); stderr != "" {
		t.Errorf("--to says %s", stderr)
	}
	if got, _ := mustRun(t, "weights", "x.npz"); got != want {
		t.Errorf("of the .npz file: got\n%swant\n%s", got, want)
	}
}

// TestWeightsWidth checks that a line has at most 80 columns, with names and
// numbers as GoogLeNet has them.
func TestWeightsWidth(t *testing.T) {
	t.Chdir(t.TempDir())
	model := &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{
		{Name: proto.String("inception_4d/3x3_reduce_with_a_long_name"), Blobs: []*caffepb.BlobProto{
			blobProto([]int64{1, 1, 1, 1000}, slices.Repeat([]float32{-1.234e-5, float32(math.NaN())}, 500)...),
		}},
	}}
	if err := prototxt.WriteBinary("x.caffemodel", model); err != nil {
		t.Fatal(err)
	}
	const want = `blob                        shape        min       mean        max  std  NaN/inf
inception_…ong_name.0  1x1x1x1000  -1.23e-05  -1.23e-05  -1.23e-05    0      500
1 blobs, 1000 elements
`
	got, _ := mustRun(t, "weights", "x.caffemodel")
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestWeightsConvert writes .npz files and reads them back: with --like to the
// same file, without to one that loads.
func TestWeightsConvert(t *testing.T) {
	t.Chdir(t.TempDir())
	mustRun(t, "zoo", "write", "lenet", ".")
	file, err := prototxt.ReadNet("lenet_train_test.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	synthetic := &net.Synthetic{Shape: []int{1, 28, 28}, Batch: 1}
	n, err := net.New(file, net.Options{Seed: 7, Synthetic: synthetic})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.SaveWeights("lenet.caffemodel", false); err != nil {
		t.Fatal(err)
	}
	out, _ := mustRun(t, "weights", "lenet.caffemodel", "--to", "lenet.npz")
	if want := "lenet.npz: 8 arrays, 431080 elements\n"; out != want {
		t.Errorf("--to prints %q, want %q", out, want)
	}
	arrays, err := npy.ReadFile("lenet.npz")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"conv1.0", "conv1.1", "conv2.0", "conv2.1", "ip1.0", "ip1.1", "ip2.0", "ip2.1"} {
		want := n.Params()[i].Blob
		if a := arrays[i]; a.Name != name || !slices.Equal(a.Shape, want.Shape()) || !slices.Equal(a.Data, want.Data()) {
			t.Errorf("array %d is %s of shape %v, want %s of shape %v as in the net", i, a.Name, a.Shape, name, want.Shape())
		}
	}

	mustRun(t, "weights", "lenet.npz", "--to", "same.caffemodel", "--like", "lenet.caffemodel")
	same, err := os.ReadFile("same.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	if original, err := os.ReadFile("lenet.caffemodel"); err != nil || !bytes.Equal(same, original) {
		t.Error("--like with the same weights makes another file")
	}

	mustRun(t, "weights", "lenet.npz", "--to", "bare.caffemodel")
	loaded, err := net.New(file, net.Options{Seed: 8, Synthetic: synthetic})
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	if err := loaded.LoadWeights("bare.caffemodel"); err != nil {
		t.Fatal(err)
	}
	for i, p := range n.Params() {
		if !slices.Equal(loaded.Params()[i].Blob.Data(), p.Blob.Data()) {
			t.Errorf("weights %d are not those that were written", i)
		}
	}
}

// TestWeightsHDF5 converts weights to HDF5 and back, and reads a solver state. h5py
// sees what Caffe would.
func TestWeightsHDF5(t *testing.T) {
	hdf5test.Need(t)
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	list, _ := mustRun(t, "weights", "x.caffemodel")
	mustRun(t, "weights", "x.caffemodel", "--to", "x.caffemodel.h5")
	if got, _ := mustRun(t, "weights", "x.caffemodel.h5"); got != list {
		t.Errorf("of the HDF5 file weights lists\n%s\nwant\n%s", got, list)
	}
	mustRun(t, "weights", "x.caffemodel.h5", "--to", "y.caffemodel")
	mustRun(t, "weights", "y.caffemodel", "--to", "y.npz")
	mustRun(t, "weights", "y.npz", "--to", "z.h5")
	if got, _ := mustRun(t, "weights", "z.h5"); got != list {
		t.Errorf("after three conversions weights lists\n%s\nwant\n%s", got, list)
	}
	out := hdf5test.Python(t, `
import h5py, sys
with h5py.File("x.caffemodel.h5") as f: print(sorted(f["data"]), sorted(f["data/conv1"]), f["data/conv1/1"].dtype)
with h5py.File("s.solverstate.h5", "w") as f:
    f["iter"] = [7]; f["current_step"] = [0]; f["history/0"] = [[1., 2.]]; f["learned_net"] = "x"`)
	if want := "['conv1', 'ip.2'] ['0', '1'] float32\n"; !strings.HasSuffix(out, want) {
		t.Errorf("h5py sees %s, want %s", out, want)
	}
	formats := reference.Golden(t, "formats/weights")
	whole, part := filepath.Join(formats, "model.caffemodel"), filepath.Join(formats, "model.caffemodel.h5") // without the weights that ip2 shares
	if code, _, stderr := run("weights", part, "--to", "z.caffemodel"); code != 1 || !strings.Contains(stderr, `layer "ip2" shares blob 0 with another layer`) {
		t.Errorf("shared weights: exit code %d, %s", code, stderr)
	}
	mustRun(t, "weights", part, "--fit", filepath.Join(formats, "net.prototxt"), "--to", "z.caffemodel")
	list, _ = mustRun(t, "weights", whole)
	if got, _ := mustRun(t, "weights", "z.caffemodel"); len(strings.Split(got, "\n")) != len(strings.Split(list, "\n")) || !strings.Contains(got, "ip2.0") {
		t.Errorf("with --fit weights lists\n%s\nwant what Caffe's .caffemodel has\n%s", got, list)
	}
	if got, _ := mustRun(t, "weights", "s.solverstate.h5"); !strings.Contains(got, "history.0") || !strings.Contains(got, "1x2") {
		t.Errorf("of a solver state weights lists\n%s", got)
	}
}

// TestWeightsLike replaces one blob, of the old form, and keeps the others.
func TestWeightsLike(t *testing.T) {
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	if err := writeNPZ("edit.npz", []weightBlob{{"conv1", 1, []int{2}, []float32{8, 9}}}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "weights", "edit.npz", "--to", "y.caffemodel", "--like", "x.caffemodel")
	before, _, err := prototxt.ReadBinaryNet("x.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := prototxt.ReadBinaryNet("y.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	edited := after.Layer[1].Blobs[1]
	var b blob.Blob
	if err := b.FromProto(edited, true); err != nil || !slices.Equal(b.Data(), []float32{8, 9}) || b.Axes() != 4 {
		t.Errorf("the edited blob has shape %v, %v, %v", b.Shape(), b.Data(), err)
	}
	after.Layer[1].Blobs[1] = before.Layer[1].Blobs[1]
	if !proto.Equal(before, after) { // of NaN with NaN too
		t.Error("more than the edited blob is different")
	}
}

// TestWeightsOfSolverState lists the history of a .solverstate.
func TestWeightsOfSolverState(t *testing.T) {
	t.Chdir(t.TempDir())
	state := &caffepb.SolverState{Iter: proto.Int32(5), LearnedNet: proto.String("x.caffemodel"), History: []*caffepb.BlobProto{
		blobProto([]int64{2}, 1, 3), blobProto([]int64{1}, 4),
	}}
	if err := prototxt.WriteBinary("x.solverstate", state); err != nil {
		t.Fatal(err)
	}
	const want = `blob       shape  min  mean  max  std
history.0      2    1     2    3    1
history.1      1    4     4    4    0
2 blobs, 3 elements
`
	if got, _ := mustRun(t, "weights", "x.solverstate"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestWeightsRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	for name, blobs := range map[string][]weightBlob{
		"names.npz": {{"conv1", 0, []int{1}, []float32{1}}},
		"gap.npz":   {{"conv1", 1, []int{1}, []float32{1}}},
		"other.npz": {{"conv1", 0, []int{4}, []float32{1, 2, 3, 4}}, {"conv9", 0, []int{1}, []float32{1}}},
	} {
		if err := writeNPZ(name, blobs); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("text.npz", []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var odd bytes.Buffer
	w := npy.NewWriter(&odd)
	if err := w.Write("weights", npy.Array{Shape: []int{1}, Data: []float32{1}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("odd.npz", odd.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"absent.caffemodel"}, `"absent.caffemodel": no such file (working directory ` + wd + ")"},
		{[]string{"text.npz"}, "text.npz: not a .npz file or a damaged one: zip: not a valid zip file"},
		{[]string{"odd.npz"}, `odd.npz: array "weights": want a name such as conv1.0, of a layer and the number of the blob`},
		{[]string{"x.caffemodel", "--to", "y.h6"}, "--to y.h6: want a name that ends in .npz, .caffemodel or .h5"},
		{[]string{"x.caffemodel", "--to", "y.npz", "--json"}, "weights: --json lists blobs and --to writes them, want one of the two"},
		{[]string{"x.caffemodel", "--to", "y.npz", "--like", "x.caffemodel"}, "weights: --like goes with a .npz or .h5 file and --to FILE.caffemodel"},
		{[]string{"x.caffemodel", "--to", "names.npz"}, "names.npz already exists; --force overwrites it"},
		{[]string{"gap.npz", "--to", "y.caffemodel"}, `gap.npz: blob "conv1.1" is there and conv1.0 is not; --like FILE takes the blobs that are not there from a .caffemodel`},
		{[]string{"other.npz", "--to", "y.caffemodel", "--like", "x.caffemodel"}, "other.npz: array \"conv1.0\" has shape [4], x.caffemodel has shape [2 1 1 2]\n" +
			"gocaffe: other.npz: array \"conv9.0\": x.caffemodel has no such blob"},
	} {
		if code, _, stderr := run(append([]string{"weights"}, tt.args...)...); code != 1 || stderr != "gocaffe: "+tt.want+"\n" {
			t.Errorf("weights %v: exit code %d\n%swant 1\ngocaffe: %s", tt.args, code, stderr, tt.want)
		}
	}
	for _, path := range []string{"y.caffemodel", "y.npz", "y.h5"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("after errors there is %s", path)
		}
	}
}
