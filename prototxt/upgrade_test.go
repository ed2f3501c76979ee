package prototxt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// Old files and the results of Caffe's upgrade_net_proto_text and
// upgrade_solver_proto_text.
func TestUpgradeGolden(t *testing.T) {
	dir := reference.Golden(t, "formats/upgrade")
	upgraded, err := filepath.Glob(filepath.Join(dir, "*.upgraded.prototxt"))
	if err != nil || len(upgraded) < 13 {
		t.Fatalf("%d upgraded files, want 13 or more (%v)", len(upgraded), err)
	}
	for _, golden := range upgraded {
		old := strings.TrimSuffix(golden, ".upgraded.prototxt") + ".prototxt"
		t.Run(filepath.Base(old), func(t *testing.T) {
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			if strings.HasPrefix(filepath.Base(old), "solver") {
				s, err := ReadSolver(old)
				if err != nil {
					t.Fatal(err)
				}
				got = Marshal(s.Param)
			} else {
				n, err := ReadNet(old)
				if err != nil {
					t.Fatal(err)
				}
				got = Marshal(n.Param)
			}
			if string(got) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The notes are Caffe's log lines with their source lines.
func TestUpgradeNotes(t *testing.T) {
	tests := []struct {
		file string
		want string
	}{
		{"v0", `I28 Attempting to upgrade input file specified using deprecated V0LayerParameter: f
I36 Successfully upgraded file specified using deprecated V0LayerParameter
W39 Note that future Caffe releases will not support V0NetParameter; use ./build/tools/upgrade_net_proto_text for prototxt and ./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other net protos to the new format.
I55 Attempting to upgrade input file specified using deprecated V1LayerParameter: f
I63 Successfully upgraded file specified using deprecated V1LayerParameter
I69 Attempting to upgrade input file specified using deprecated input fields: f
I72 Successfully upgraded file specified using deprecated input fields.
W74 Note that future Caffe releases will only support input layers and not input fields.
`},
		{"v1_data", `I46 Attempting to upgrade input file specified using deprecated transformation parameters: f
I49 Successfully upgraded file specified using deprecated data transformation parameters.
W51 Note that future Caffe releases will only support transform_param messages for transformation fields.
I55 Attempting to upgrade input file specified using deprecated V1LayerParameter: f
I63 Successfully upgraded file specified using deprecated V1LayerParameter
`},
		{"old_batch_norm", `I79 Attempting to upgrade batch norm layers using deprecated params: f
I82 Successfully upgraded batch norm layers using deprecated params.
`},
		{"old_input.upgraded", ""},
	}
	for _, test := range tests {
		n, err := ParseNet("f", readFile(t, filepath.Join(reference.Golden(t, "formats/upgrade"), test.file+".prototxt")))
		if err != nil {
			t.Fatal(err)
		}
		if got := showNotes(n.Notes); got != test.want {
			t.Errorf("%s: got\n%swant\n%s", test.file, got, test.want)
		}
	}
}

func showNotes(notes []Note) string {
	var b strings.Builder
	for _, n := range notes {
		b.WriteString(string(n.Level) + strings.TrimPrefix(n.Source, "upgrade_proto.cpp:") + " " + n.Text + "\n")
	}
	return b.String()
}

// A V0 parameter that does not apply to its layer is dropped with a note, as in Caffe.
func TestUpgradeIncompatible(t *testing.T) {
	n, err := ParseNet("f", []byte(`layers { layer { name: "r" type: "relu" num_output: 3 shuffle_images: true new_num: 2 } top: "x" }`))
	if err != nil {
		t.Fatal(err)
	}
	want := `I28 Attempting to upgrade input file specified using deprecated V0LayerParameter: f
E237 Unknown parameter num_output for layer type relu
E458 Unknown parameter shuffle for layer type relu
E33 Warning: had one or more problems upgrading V0NetParameter to NetParameter (see above); continuing anyway.
W39 `
	if got := showNotes(n.Notes); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := string(Marshal(n.Param)), "layer {\n  name: \"r\"\n  type: \"ReLU\"\n  top: \"x\"\n}\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// If one data layer has old transformation fields, Caffe gives all of them a
// transform_param and a data parameter.
func TestUpgradeTransforms(t *testing.T) {
	n, err := ParseNet("f", []byte(`layers { type: DATA data_param { mirror: true } } layers { type: IMAGE_DATA } layers { type: RELU }`))
	if err != nil {
		t.Fatal(err)
	}
	want := `layer {
  type: "Data"
  transform_param {
    mirror: true
  }
  data_param {
  }
}
layer {
  type: "ImageData"
  transform_param {
  }
  image_data_param {
  }
}
layer {
  type: "ReLU"
}
`
	if got := string(Marshal(n.Param)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Inputs without shapes are from old files of weights, and are removed.
func TestUpgradeBareInput(t *testing.T) {
	n, err := ParseNet("f", []byte(`input: "data" layer { name: "a" }`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(Marshal(n.Param)), "layer {\n  name: \"a\"\n}\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Layers in the current format and their fields have the positions of the old ones.
func TestUpgradePositions(t *testing.T) {
	tests := []struct {
		text  string
		layer int
		want  map[string]string // path and index: position
	}{
		{`input: "a" input: "b"
input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
layers {
  bottom: "a"
  name: "ip" type: INNER_PRODUCT
  param: "w" param: ""
  blobs_lr: 1 blobs_lr: 2 weight_decay: 3
  inner_product_param { num_output: 3 }
}
layers {
  bottom: "b"
  type: DATA data_param { source: "s" scale: 2 }
}
`, 1, map[string]string{
			"": "f:4:1", "bottom": "f:5:11", "name": "f:6:9", "type": "f:6:20", "top": "f:4:1", "param": "f:7:10", "param 1": "f:7:21",
			"inner_product_param.num_output": "f:9:37",
		}},
		{"layers { type: RELU }\nlayers {\n  type: DATA data_param { source: \"s\" scale: 2 } }", 1, map[string]string{
			"": "f:2:1", "data_param.source": "f:3:35", "transform_param": "f:3:14", "transform_param.scale": "f:3:46",
		}},
		{`input: "a"
layers { layer { name: "p" type: "padding" pad: 2 } bottom: "a" top: "p" }
layers {
  layer { name: "c" type: "conv" num_output: 3
    weight_filler { std: 1 } blobs_lr: 2 }
  bottom: "p" top: "c"
}
`, 0, map[string]string{
			"": "f:3:1", "name": "f:4:17", "type": "f:4:27", "bottom": "f:6:11", "top": "f:6:20", "param": "f:5:40",
			"convolution_param.num_output": "f:4:46", "convolution_param.pad": "f:2:49", "convolution_param.weight_filler.std": "f:5:26",
		}},
		{"layer { name: 'x' }\ninput: 'a' input: 'b'\ninput_shape { dim: 1 dim: 2 }\ninput_shape { dim: 3 }", 0, map[string]string{
			"": "f:2:8", "top": "f:2:8", "top 1": "f:2:19", "input_param.shape": "f:3:1", "input_param.shape 1": "f:4:1",
		}},
	}
	for _, test := range tests {
		n, err := ParseNet("f", []byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range test.want {
			path, second := strings.CutSuffix(path, " 1")
			index := 0
			if second {
				index = 1
			}
			if got := n.Positions.Of(n.Param.Layer[test.layer], path, index).String(); got != want {
				t.Errorf("%s %d: got %s, want %s in\n%s", path, index, got, want, test.text)
			}
		}
		for i, l := range n.Param.Layer {
			if got, want := n.Positions.Of(n.Param, "layer", i), n.Positions.Of(l, "", 0); got != want {
				t.Errorf("layer %d of the net is at %v, itself at %v", i, got, want)
			}
		}
	}
	n, err := ParseNet("f", []byte(tests[0].text))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"f:7:10", "f:7:21"} {
		if got := n.Positions.Of(n.Param.Layer[1].Param[i], "", 0).String(); got != want {
			t.Errorf("param %d: got %s, want %s", i, got, want)
		}
	}
	if got, want := n.Positions.Of(n.Param.Layer[1].Param[0], "decay_mult", 0).String(), "f:8:41"; got != want {
		t.Errorf("decay_mult: got %s, want %s", got, want)
	}
	if got, want := n.Positions.Of(n.Param.Layer[0].InputParam.Shape[1], "dim", 2).String(), "f:3:38"; got != want {
		t.Errorf("input_dim: got %s, want %s", got, want)
	}
}

func TestUpgradeSolverNets(t *testing.T) {
	s, err := ParseSolver("f", []byte("train_net_param { layers { type: RELU } }\ntest_net_param { input: 'a' input_dim: [1, 2, 3, 4] }"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Param.TrainNetParam.Layer[0].GetType(); got != "ReLU" {
		t.Errorf("got type %q", got)
	}
	if got := s.Param.TestNetParam[0].Layer[0].InputParam.Shape[0].Dim; len(got) != 4 {
		t.Errorf("got shape %v", got)
	}
	if len(s.Notes) != 5 {
		t.Errorf("got %d notes:\n%s", len(s.Notes), showNotes(s.Notes))
	}
}

func TestUpgradeSnapshotPrefix(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ file, prefix, want, note string }{
		{"a/lenet_solver.prototxt", "-", "a/lenet_solver", "I1108 snapshot_prefix was not specified and is set to a/lenet_solver\n"},
		{"a.b/solver", "-", "a.b/solver", "I1108 snapshot_prefix was not specified and is set to a.b/solver\n"},
		{"a/s.prototxt", dir, dir + "/s", "I1113 snapshot_prefix was a directory and is replaced to " + dir + "/s\n"},
		{"a/s.prototxt", dir + "/", dir + "/s", "I1113 snapshot_prefix was a directory and is replaced to " + dir + "/s\n"},
		{"a/s.prototxt", dir + "/x", dir + "/x", ""},
		{"a/s.prototxt", "", "", ""},
	}
	for _, test := range tests {
		p := &caffepb.SolverParameter{SnapshotPrefix: &test.prefix}
		if test.prefix == "-" {
			p.SnapshotPrefix = nil
		}
		notes := showNotes(UpgradeSnapshotPrefix(test.file, p))
		if p.GetSnapshotPrefix() != test.want || notes != test.note {
			t.Errorf("%s, %q: got %q with note %q, want %q with %q", test.file, test.prefix, p.GetSnapshotPrefix(), notes, test.want, test.note)
		}
	}
}

// Mistakes that are possible in binary files only, which have no positions.
func TestUpgradeErrors(t *testing.T) {
	unknown := caffepb.V1LayerParameter_LayerType(77)
	mode := caffepb.V1LayerParameter_DimCheckMode(7)
	tests := []struct {
		p    *caffepb.NetParameter
		want string
	}{
		{&caffepb.NetParameter{Layers: []*caffepb.V1LayerParameter{{Name: proto.String("a")}, {Name: proto.String("b"), Type: &unknown}}},
			`w.caffemodel: layer "b": layer 1 has the unknown type number 77`},
		{&caffepb.NetParameter{Layers: []*caffepb.V1LayerParameter{{Name: proto.String("a"), BlobShareMode: []caffepb.V1LayerParameter_DimCheckMode{mode}}}},
			`w.caffemodel: layer "a": unknown blob_share_mode number 7`},
		{&caffepb.NetParameter{Input: []string{"x", "y"}, InputDim: []int32{1, 2, 3, 4}},
			`w.caffemodel: input "y" has no shape: there are 4 input_dim for 2 input, want 4 for each`},
	}
	for _, test := range tests {
		if _, err := UpgradeNet("w.caffemodel", test.p, nil); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}
