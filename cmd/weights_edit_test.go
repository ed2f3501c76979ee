package gocaffecmd

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// TestWeightsInit compares the weights of --init with those that a solver of the same
// seed starts from.
func TestWeightsInit(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", `layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "absent" backend: LMDB batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`)
	write(t, "solver.prototxt", `net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 random_seed: 7`)
	mustRun(t, "weights", "--init", "net.prototxt", "--seed", "7", "--input-shape", "2,8,8", "--to", "init.npz")
	got, err := readNPZ("init.npz")
	if err != nil {
		t.Fatal(err)
	}
	writePNG(t, "img/a.png", 8, 8, 1)
	write(t, "list.txt", "a.png 1\n")
	mustRun(t, "convert", "imageset", "img", "list.txt", "absent")
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := solver.New(file, solver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	params := s.Net().Params()
	if len(got) != len(params) {
		t.Fatalf("%d blobs, want %d", len(got), len(params))
	}
	// The images have 3 channels, so conv has other weights; ip comes after it.
	mustRun(t, "weights", "--init", "net.prototxt", "--seed", "7", "--to", "data.npz")
	if got, err = readNPZ("data.npz"); err != nil {
		t.Fatal(err)
	}
	for i, p := range params {
		if got[i].layer != p.Layer || got[i].index != p.Index || !slices.Equal(got[i].shape, p.Blob.Shape()) || !slices.Equal(got[i].data, p.Blob.Data()) {
			t.Errorf("blob %d is %s of shape %v, want %s.%d as the solver has it", i, got[i].key(), got[i].shape, p.Layer, p.Index)
		}
	}
	mustRun(t, "weights", "--init", "net.prototxt", "--seed", "8", "--to", "other.npz")
	other, err := readNPZ("other.npz")
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(other[0].data, got[0].data) {
		t.Error("another seed makes the same weights")
	}
	list, _ := mustRun(t, "weights", "--init", "net.prototxt")
	if !strings.Contains(list, "conv.1") || !strings.Contains(list, "4 blobs") {
		t.Errorf("the list is\n%s", list)
	}
}

// TestWeightsEdit edits by all flags, in every format.
func TestWeightsEdit(t *testing.T) {
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	const want = `blob     shape   min  mean   max   std  NaN/inf
conv2.0  1x2x2    -1     1     3  1.58        0
conv2.1    2x1  0.25   0.5  0.75  0.25        0
fc.0         3     5     5     5     0        2
fc.1         1     -     -     -     -        1
4 blobs, 10 elements
`
	args := []string{"weights", "x.caffemodel", "--rename", "ip.2=fc", "--copy", "conv1=conv2", "--reshape", "conv2.0=1,2,2", "--reshape", "conv2.1=2,1",
		"--remove", "conv1", "--remove", "data"}
	list, _ := mustRun(t, args...)
	lines := strings.SplitAfter(list, "\n")
	slices.Sort(lines[1:5]) // the copy comes last
	if got := strings.Join(lines, ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	mustRun(t, append(args, "--to", "y.caffemodel")...)
	mustRun(t, append(args, "--to", "y.npz")...)
	for _, path := range []string{"y.caffemodel", "y.npz"} {
		if again, _ := mustRun(t, "weights", path); again != list {
			t.Errorf("%s has\n%swant\n%s", path, again, list)
		}
	}
	model, _, err := prototxt.ReadBinaryNet("y.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	if len(model.Layer) != 2 || model.Layer[0].GetType() != "InnerProduct" || model.Layer[1].GetName() != "conv2" || model.Layer[1].GetType() != "Convolution" {
		t.Errorf("the layers have lost what is not edited: %v", model.Layer)
	}
	// An .npz file is edited too.
	mustRun(t, "weights", "y.npz", "--rename", "fc=ip.2", "--to", "z.npz")
	if got, _ := mustRun(t, "weights", "z.npz"); !strings.Contains(got, "ip.2.1") || strings.Contains(got, "fc") {
		t.Errorf("after another edit\n%s", got)
	}
	// = is part of a name if it is not the last one.
	if code, _, stderr := run("weights", "x.caffemodel", "--rename", "ip.2=fc=new"); code != 1 || !strings.Contains(stderr, `--rename ip.2=fc=new: there is no layer "ip.2=fc"`) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestFullyConnectedToConvolution trains an InnerProduct, whose weights a convolution
// refuses, and takes them after --fit.
func TestFullyConnectedToConvolution(t *testing.T) {
	t.Chdir(t.TempDir())
	const input = `layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param { shape { dim: 2 dim: 2 dim: 3 dim: 3 } shape { dim: 2 } data_filler { type: "gaussian" } data_filler { type: "constant" } } }
`
	write(t, "fc.prototxt", input+`layer { name: "fc6" type: "InnerProduct" bottom: "data" top: "fc6" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label" top: "loss" }`)
	write(t, "conv.prototxt", input+`layer { name: "fc6" type: "Convolution" bottom: "data" top: "fc6" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "flat" type: "Flatten" bottom: "fc6" top: "flat" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "flat" bottom: "label" top: "loss" }`)
	for _, name := range []string{"fc", "conv"} {
		write(t, "s"+name+".prototxt", `net: "`+name+`.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 random_seed: 1 snapshot_prefix: "`+name+`"`)
	}
	mustRun(t, "train", "--solver", "sfc.prototxt")
	if code, _, stderr := run("train", "--solver", "sconv.prototxt", "--weights", "fc_iter_1.caffemodel"); code != 1 ||
		!strings.Contains(stderr, "the counts agree: `gocaffe weights FILE --fit MODEL --to NEW.caffemodel` gives it the net's shape") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	_, stderr := mustRun(t, "weights", "fc_iter_1.caffemodel", "--fit", "conv.prototxt", "--to", "new.caffemodel")
	if stderr != "fc6.0: 4x18 -> 4x2x3x3\n" {
		t.Errorf("it says %s", stderr)
	}
	mustRun(t, "train", "--solver", "sconv.prototxt", "--weights", "new.caffemodel")
	a, _, err := prototxt.ReadBinaryNet("fc_iter_1.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := prototxt.ReadBinaryNet("new.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range a.Layer {
		for k, blob := range l.Blobs {
			if !slices.Equal(blob.Data, b.Layer[i].Blobs[k].Data) {
				t.Errorf("layer %d, blob %d has other elements", i, k)
			}
		}
	}
}

func TestWeightsEditRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	writeModel(t, "x.caffemodel")
	write(t, "net.prototxt", `layer { name: "data" type: "Data" top: "data" data_param { source: "absent" backend: LMDB batch_size: 4 } }
layer { name: "conv1" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 5 } }`)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"x.caffemodel", "--rename", "conv1"}, `--rename is "conv1", want two names with = between them`},
		{[]string{"x.caffemodel", "--rename", "conv9=a"}, `--rename conv9=a: there is no layer "conv9"; did you mean "conv1"?`},
		{[]string{"x.caffemodel", "--copy", "data=a"}, `--copy data=a: layer "data" has no weights`},
		{[]string{"x.caffemodel", "--reshape", "conv1=2"}, `--reshape conv1=2: "conv1" is no blob, want a layer and the number of the blob, such as fc6.0`},
		{[]string{"x.caffemodel", "--reshape", "conv1.0=2,x"}, `the shape is "2,x", want numbers separated by commas`},
		{[]string{"x.caffemodel", "--reshape", "conv1.0=2,3"}, `blob 0 of layer "conv1": the shape 2 x 1 x 1 x 2 has 4 elements, 2 x 3 has 6`},
		{[]string{"x.caffemodel", "--remove", "a"}, `--remove a: there is no layer "a"`},
		{[]string{"x.caffemodel", "--fit", "net.prototxt"}, `no LMDB database at "absent"`},
		{[]string{"x.caffemodel", "--fit", "net.prototxt", "--input-shape", "3"}, `--fit net.prototxt: layer "conv1": blob 0 is 2 x 1 x 1 x 2 with 4 elements, in the net 5 x 3 with 15`},
		{[]string{"--init", "net.prototxt", "x.caffemodel"}, "--init takes the place of x.caffemodel"},
		{[]string{"--init", "absent.prototxt"}, `"absent.prototxt": no such file`},
		{[]string{}, "weights: accepts 1 arg(s), received 0"},
		{[]string{"x.caffemodel", "--init", "net.prototxt", "--phase", "BOTH"}, "--init takes the place"},
		{[]string{"--init", "net.prototxt", "--phase", "BOTH"}, `--phase is "BOTH", want TRAIN or TEST`},
	} {
		code, _, stderr := run(append([]string{"weights"}, append(tt.args, "--to", "y.caffemodel")...)...)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s, want %s", tt.args, code, stderr, tt.want)
		}
		if _, err := os.Lstat("y.caffemodel"); err == nil {
			t.Errorf("%v: after the error there is y.caffemodel", tt.args)
		}
	}
}
