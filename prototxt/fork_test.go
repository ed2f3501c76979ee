package prototxt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
)

// forkProto is the caffe.proto of a fictional fork. Like real ones, it lacks much of
// Caffe's, uses Caffe's numbers for its own fields, and has an extended version of a
// plugin's field (see extend_test.go).
const forkProto = `
syntax = "proto2";
package caffe;

message NetParameter {
  optional string name = 1;
  repeated V1LayerParameter layers = 2;
  repeated LayerParameter layer = 100;
  optional string owner = 3; // the number of input
}
message SolverParameter {
  optional string net = 24;
  optional float base_lr = 5;
  optional float cooling = 70 [default = 1];
}
message LayerParameter {
  optional string name = 1;
  optional string type = 2;
  repeated string bottom = 3;
  repeated string top = 4;
  repeated BlobProto blobs = 7;
  optional InnerProductParameter inner_product_param = 117;
  optional TransformationParameter transform_param = 100;
  optional WarpParameter warp_param = 147;       // swish_param's
  optional PinchParameter pinch_param = 300;
  optional MarginTestParameter margin_test_param = 301;
  optional Precision precision = 148;            // clip_param's
}
enum Precision { FULL = 0; HALF = 1; }
message BlobProto { repeated float data = 5 [packed = true]; }
message WarpParameter {
  optional string grid = 1;
  optional FillerParameter filler = 2;
  enum Mode { NEAREST = 0; CUBIC = 4; }
  optional Mode mode = 3;
}
message PinchParameter { repeated float at = 1; }
message MarginTestParameter {
  optional uint32 num_output = 1;
  optional float temperature = 2;  // the plugin's kind
  optional float extra = 9;
}
message FillerParameter {
  optional string type = 1;
  optional float alpha = 9;
}
message InnerProductParameter {
  optional uint32 num_output = 1;
  optional FillerParameter weight_filler = 3;
  optional bool orthogonal = 40;
  enum Side { LEFT = 0; RIGHT = 1; }
  optional Side side = 41;
}
message TransformationParameter { optional float max_angle = 8; }
message PoolingParameter {
  enum PoolMethod { MAX = 0; AVE = 1; NORM = 2; MEDIAN = 9; }  // NORM has STOCHASTIC's number
  optional PoolMethod pool = 1;
}
message V1LayerParameter {
  optional string name = 4;
  enum LayerType { NONE = 0; WARP = 90; }
  optional LayerType type = 5;
  optional WarpParameter warp_param = 91;
}
`

// useFork makes the fork's files readable during the test.
func useFork(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "caffe.proto")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	done, err := UseProto(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
}

// forkNet is in printing order: fields whose numbers Caffe uses for others come last.
const forkNet = `layer {
  name: "w"
  type: "Warp"
  bottom: "data"
  inner_product_param {
    num_output: 2
    weight_filler {
      type: "x"
      alpha: 0.5
    }
    orthogonal: true
    side: RIGHT
  }
  pooling_param {
    pool: MEDIAN
  }
  margin_test_param {
    num_output: 3
    kind: SINGLE
    extra: 2
    temperature: 4
  }
  warp_param {
    grid: "g"
    filler {
      type: "y"
      alpha: 1
    }
    mode: CUBIC
  }
  precision: HALF
}
owner: "me"
`

func TestForkNet(t *testing.T) {
	if _, err := ParseNet("net.prototxt", []byte(forkNet)); err == nil || !strings.Contains(err.Error(), `unknown field "warp_param"`) {
		t.Fatalf("without the fork's proto: %v, want unknown fields", err)
	}
	t.Run("strict", func(t *testing.T) {
		useFork(t, forkProto)
		_, err := ParseNet("net.prototxt", []byte(forkNet))
		if err == nil || !strings.HasPrefix(err.Error(), "net.prototxt:33:8: owner is a field of ") ||
			!strings.HasSuffix(err.Error(), "alone and not implemented: --ignore-unknown-fields computes without it") {
			t.Errorf("got %v, want an error about owner alone", err)
		}
		n, err := ParseNet("net.prototxt", []byte(strings.Replace(forkNet, "owner: \"me\"\n", "", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if found := UnreadFields(n.Param.Layer[0], n.Positions); len(found) != 8 || !strings.HasPrefix(found[4].Error(), `net.prototxt:20:12: layer "w": margin_test_param.extra is a field of `) {
			t.Errorf("the unread fields of the layer are\n%v", found)
		}
	})
	t.Run("with", func(t *testing.T) {
		useFork(t, forkProto)
		defer IgnoreUnknownFields()()
		n, err := ParseNet("net.prototxt", []byte(forkNet))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(Marshal(n.Param)); got != forkNet {
			t.Errorf("printed:\n%s\nwant:\n%s", got, forkNet)
		}
		path := filepath.Join(t.TempDir(), "w.caffemodel")
		if err := WriteBinary(path, n.Param); err != nil {
			t.Fatal(err)
		}
		back, _, err := ReadBinaryNet(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(Marshal(back)); got != forkNet {
			t.Errorf("printed of a file:\n%s\nwant:\n%s", got, forkNet)
		}
		l := n.Param.Layer[0]
		if l.SwishParam != nil || l.ClipParam != nil {
			t.Errorf("fields of the fork became Caffe's: %v, %v", l.SwishParam, l.ClipParam)
		}
		for path, want := range map[string]string{
			"warp_param.filler.alpha":                 "27:14",
			"inner_product_param.weight_filler.alpha": "9:14",
			"inner_product_param.side":                "12:11",
			"margin_test_param.temperature":           "21:18",
			"precision":                               "31:14",
		} {
			if got := n.Positions.Of(l, path, 0).String(); got != "net.prototxt:"+want {
				t.Errorf("%s is at %s, want %s", path, got, want)
			}
		}
		want := []string{
			`net.prototxt:9:14: layer "w": inner_product_param.weight_filler.alpha is a field of `,
			`net.prototxt:11:17: layer "w": inner_product_param.orthogonal is a field of `,
			`net.prototxt:12:11: layer "w": inner_product_param.side is a field of `,
			`net.prototxt:15:11: layer "w": pooling_param.pool: the value MEDIAN is `,
			`net.prototxt:20:12: layer "w": margin_test_param.extra is a field of `,
			`net.prototxt:21:18: layer "w": margin_test_param.temperature is a field of `,
			`net.prototxt:23:3: layer "w": warp_param is a field of `,
			`net.prototxt:31:14: layer "w": precision is a field of `,
			`net.prototxt:33:8: owner is a field of `,
		}
		for i, w := range want {
			if i >= len(n.Notes) || n.Notes[i].Level != 'W' || !strings.HasPrefix(n.Notes[i].Text, w) ||
				!strings.HasSuffix(n.Notes[i].Text, "; it is ignored") {
				t.Errorf("note %d of %v, want %s", i, n.Notes, w)
			}
		}
		if len(n.Notes) != len(want) {
			t.Errorf("%d notes, want %d: %v", len(n.Notes), len(want), n.Notes)
		}
	})
	if _, err := ParseNet("net.prototxt", []byte(forkNet)); err == nil {
		t.Error("the fork's fields are still known when it is no longer in use")
	}
}

// A plugin's options take precedence over a fork's.
func TestForkAndPlugin(t *testing.T) {
	useFork(t, forkProto)
	for _, tt := range []struct{ text, want string }{
		{"num_output: 1 temperature: 2 extra: 3 kind: DOUBLE", ""},
		{"temperature: 2", `net.prototxt:1:9: MarginTestParameter needs "num_output"`},
		{"num_output: 1 temprature: 2", `net.prototxt:1:43: unknown field "temprature" of MarginTestParameter, did you mean "temperature"?`},
		{"num_output: 1 extra: 1 extra: 2", `net.prototxt:1:52: "extra" of MarginTestParameter is given again, first in line 1`},
		{"num_output: 1 kind: 1.5", `net.prototxt:1:49: kind: got 1.5, want SINGLE or DOUBLE`},
	} {
		_, err := ParseNet("net.prototxt", []byte("layer { margin_test_param { "+tt.text+" } }"))
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), `layer "": `, "")
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestForkEnums(t *testing.T) {
	useFork(t, forkProto)
	n, err := ParseNet("net.prototxt", []byte(`layer { pooling_param { pool: NORM } } layer { pooling_param { pool: STOCHASTIC } } layer { pooling_param { pool: 9 } }`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range n.Param.Layer {
		got = append(got, strings.Fields(string(Marshal(l.PoolingParam)))[1])
	}
	if s := strings.Join(got, " "); s != "NORM STOCHASTIC MEDIAN" {
		t.Errorf("pool is printed as %s", s)
	}
	if n.Param.Layer[0].PoolingParam.GetPool() == caffepb.PoolingParameter_STOCHASTIC {
		t.Error("the fork's NORM has become STOCHASTIC")
	}
	_, err = ParseNet("net.prototxt", []byte(`layer { pooling_param { pool: MEDAIN } }`))
	if err == nil || !strings.Contains(err.Error(), "unknown value MEDAIN of PoolMethod, did you mean MEDIAN?") {
		t.Errorf("got %v", err)
	}
}

func TestForkSolver(t *testing.T) {
	useFork(t, forkProto)
	if _, err := ParseSolver("solver.prototxt", []byte("base_lr: 0.1\ncooling: 3\n")); err == nil || !strings.HasPrefix(err.Error(), "solver.prototxt:2:10: cooling is a field of ") {
		t.Errorf("got %v, want an error about cooling", err)
	}
	if _, err := ParseSolver("solver.prototxt", []byte("base_lr: 0.1\ncooling: 1\n")); err != nil {
		t.Errorf("the default of cooling: %v", err)
	}
	defer IgnoreUnknownFields()()
	s, err := ParseSolver("solver.prototxt", []byte("base_lr: 0.1\ncooling: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(s.Param)); got != "base_lr: 0.1\ncooling: 3\n" {
		t.Errorf("printed:\n%s", got)
	}
	if len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0].Text, "solver.prototxt:2:10: cooling is a field of ") {
		t.Errorf("notes are %v", s.Notes)
	}
}

// The old format of layers, with a type and a field of the fork.
func TestForkV1(t *testing.T) {
	useFork(t, forkProto)
	n, err := ParseNet("net.prototxt", []byte("layers {\n  name: \"w\"\n  type: WARP\n  warp_param {\n    grid: \"g\"\n  }\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "layer {\n  name: \"w\"\n  type: \"WARP\"\n  warp_param {\n    grid: \"g\"\n  }\n}\n"
	if got := string(Marshal(n.Param)); got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
	if got := n.Positions.Of(n.Param.Layer[0], "warp_param.grid", 0).String(); got != "net.prototxt:5:11" {
		t.Errorf("grid is at %s", got)
	}
}

func TestUseProtoErrors(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ text, want string }{
		{"message LayerParameter { optional Wrap w = 300; }\nmessage WarpParameter { }", `caffe.proto:1:35: field "w" of LayerParameter: there is no type Wrap`},
		{"message Other { optional int32 x = 1; }", "caffe.proto: has none of the messages of Caffe's own proto, such as LayerParameter"},
		{"name: \"LeNet\"\nlayer { }", `caffe.proto:1:1: found "name"`},
	} {
		path := filepath.Join(dir, "caffe.proto")
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := UseProto(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
		if _, err := ParseNet("net.prototxt", []byte("layer { name: 'a' }")); err != nil {
			t.Errorf("%s: changed the schema: %v", tt.text, err)
		}
	}
	if _, err := UseProto(filepath.Join(dir, "absent")); err == nil {
		t.Error("no error for a missing file")
	}
}

// forkWeights is a file of weights written by a fork. With our numbers, its field 133 is
// a ParameterParameter and cannot be decoded, nor can 145, whose shape is not a message;
// 148 lacks a required field, and 147 decodes as something else.
func forkWeights() []byte {
	field := func(number protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	text := func(number protowire.Number, s string) []byte { return field(number, []byte(s)) }
	blob, err := proto.Marshal(&caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: []int64{2}}, Data: []float32{1, 2}})
	if err != nil {
		panic(err)
	}
	var layer []byte
	for _, part := range [][]byte{
		text(1, "ip"), text(2, "Warp"), text(3, "data"), text(4, "ip"), field(7, blob),
		field(145, text(1, "hello")),                                                   // parameter_param.shape
		field(147, text(1, "grid")),                                                    // swish_param.beta is a number
		field(148, protowire.AppendTag(nil, 9, 0)),                                     // cut short
		protowire.AppendVarint(protowire.AppendTag(nil, 146, protowire.VarintType), 3), // an enum for a message
		field(6, []byte{0xff}),                                                         // what is no ParamSpec
		field(20010, text(3, "x")),
	} {
		layer = append(layer, part...)
	}
	return append(text(1, "fork"), field(100, layer)...)
}

// The weights of any fork load with any numbers, with or without its proto.
func TestForkWeights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fork.caffemodel")
	if err := os.WriteFile(path, forkWeights(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(forkWeights(), new(caffepb.NetParameter)); err == nil {
		t.Fatal("the file decodes by itself, so the test shows nothing")
	}
	check := func(t *testing.T) {
		p, _, err := ReadBinaryNet(path)
		if err != nil {
			t.Fatal(err)
		}
		l := p.Layer[0]
		if p.GetName() != "fork" || l.GetName() != "ip" || l.GetType() != "Warp" || len(l.Bottom) != 1 || len(l.Top) != 1 ||
			len(l.Blobs) != 1 || len(l.Blobs[0].Data) != 2 || l.Blobs[0].Data[1] != 2 {
			t.Errorf("read %v", p)
		}
		if l.ParameterParam != nil || l.ClipParam != nil {
			t.Errorf("fields that cannot be decoded are set: %v, %v", l.ParameterParam, l.ClipParam)
		}
		Marshal(p)
	}
	check(t)
	useFork(t, forkProto)
	check(t)
}

// A damaged file is not mistaken for a fork's.
func TestForkWeightsDamaged(t *testing.T) {
	whole := forkWeights()
	for n := 1; n < len(whole); n++ {
		if n == 6 {
			continue // the name of the net alone is a net
		}
		path := filepath.Join(t.TempDir(), "half.caffemodel")
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if p, _, err := ReadBinaryNet(path); err == nil {
			t.Errorf("the first %d bytes are read as %v", n, p)
		}
	}
}

// Layers in the old format have the fork's types, by number.
func TestForkWeightsV1(t *testing.T) {
	typ := caffepb.V1LayerParameter_LayerType(90)
	path := filepath.Join(t.TempDir(), "v1.caffemodel")
	if err := WriteBinary(path, &caffepb.NetParameter{Layers: []*caffepb.V1LayerParameter{
		{Name: proto.String("w"), Type: &typ, Blobs: []*caffepb.BlobProto{{Data: []float32{3}}}},
	}}); err != nil {
		t.Fatal(err)
	}
	p, _, err := ReadBinaryNet(path)
	if err != nil {
		t.Fatal(err)
	}
	if l := p.Layer[0]; l.GetName() != "w" || len(l.Blobs) != 1 || l.Blobs[0].Data[0] != 3 {
		t.Errorf("read %v", p)
	}
}
