package prototxt

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
)

func init() {
	for i, f := range []LayerField{
		{"margin_test_param", 20010, `package caffe;
			message MarginTestParameter {
				enum Kind { SINGLE = 0; DOUBLE = 3; }
				message Step { optional uint32 at = 1; repeated float by = 2; }
				required uint32 num_output = 1;
				optional Kind kind = 2 [default = DOUBLE];
				optional FillerParameter weight_filler = 3;
				repeated Step step = 4;
				repeated float weight = 5 [packed = true];
				optional string label = 6;
				optional bool on = 7;
				optional Step first = 8;
			}`, "MarginTestParameter"},
		// The message has the same name as another plugin's, and the number is
		// below those of Caffe's own fields.
		{"other_test_param", 15, `message MarginTestParameter { optional int64 x = 1; }`, "MarginTestParameter"},
	} {
		if err := AddLayerType(LayerType{Type: []string{"MarginTest", "OtherTest"}[i], Fields: []LayerField{f}}); err != nil {
			panic(err)
		}
	}
}

const pluginNet = `layer {
  name: "a"
  type: "MarginTest"
  other_test_param {
    x: -5
  }
  concat_param {
    axis: 1
  }
  margin_test_param {
    num_output: 10
    kind: SINGLE
    weight_filler {
      type: "msra"
      std: 0.5
    }
    step {
      at: 1
      by: 0.5
      by: 2
    }
    step {
      at: 7
    }
    weight: 1
    weight: 1e-06
    label: "a\tb"
    on: true
  }
}
`

// A plugin's field keeps its position among the others, in text and in files, and loses
// nothing on the way.
func TestPluginField(t *testing.T) {
	// In the file the fields are in another order.
	text := strings.Replace(pluginNet, "  other_test_param {\n    x: -5\n  }\n", "", 1)
	text = strings.Replace(text, "    on: true\n  }\n", "    on: true\n  }\n  other_test_param { x: -5 }\n", 1)
	n, err := ParseNet("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(n.Param)); got != pluginNet {
		t.Errorf("printed:\n%s\nwant:\n%s", got, pluginNet)
	}
	if got := string(Marshal(proto.Clone(n.Param))); got != pluginNet {
		t.Errorf("printed of a copy:\n%s\nwant:\n%s", got, pluginNet)
	}
	path := filepath.Join(t.TempDir(), "w.caffemodel")
	if err := WriteBinary(path, n.Param); err != nil {
		t.Fatal(err)
	}
	back, _, err := ReadBinaryNet(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(back)); got != pluginNet {
		t.Errorf("printed of a file:\n%s\nwant:\n%s", got, pluginNet)
	}
	if !proto.Equal(back, n.Param) {
		t.Error("the file changed the net")
	}
	m, ok, err := LayerMessage(back.Layer[0], "margin_test_param")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := m.Get(m.Descriptor().Fields().ByName("num_output")).Uint(); got != 10 {
		t.Errorf("num_output is %d, want 10", got)
	}
	if _, ok, err := LayerMessage(new(caffepb.LayerParameter), "margin_test_param"); ok || err != nil {
		t.Errorf("of a layer without the field: %v, %v", ok, err)
	}
	if _, _, err := LayerMessage(back.Layer[0], "no_param"); err == nil {
		t.Error("there is no no_param, but no error")
	}
	if m, ok, err := LayerMessage(back.Layer[0], "concat_param"); err != nil || !ok || m.Interface().(*caffepb.ConcatParameter).GetAxis() != 1 {
		t.Errorf("concat_param is %v, %v, %v", m, ok, err)
	}
}

// Errors in a plugin's field are like those in any other.
func TestPluginFieldErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"margin_tset_param { }", `1:27: layer "a": unknown field "margin_tset_param" of LayerParameter, did you mean "margin_test_param"?`},
		{"margin_test_param { num_output: 1 wieght: 1 }", `1:61: layer "a": unknown field "wieght" of MarginTestParameter, did you mean "weight"?`},
		{"margin_test_param { num_output: 1 weight_filler { sdt: 1 } }", `1:77: layer "a": unknown field "sdt" of FillerParameter, did you mean "std"?`},
		{"margin_test_param { num_output: 1 kind: DUOBLE }", `1:67: layer "a": kind: unknown value DUOBLE of Kind, did you mean DOUBLE?`},
		{"margin_test_param { num_output: -1 }", `1:59: layer "a": num_output: got -1, want a whole number from 0 to 4294967295`},
		{"margin_test_param { num_output: 1 num_output: 2 }", `1:61: layer "a": "num_output" of MarginTestParameter is given again, first in line 1`},
		{"margin_test_param { num_output: 1 } margin_test_param { num_output: 2 }",
			`1:63: layer "a": "margin_test_param" of LayerParameter is given again, first in line 1`},
		{"margin_test_param { }", `1:27: layer "a": MarginTestParameter needs "num_output"`},
		{"margin_test_param: 3", `1:46: layer "a": margin_test_param: got 3, want a message in braces`},
		{"margin_test_param { num_output: 1 step { at: 1 by: x } }", `1:78: layer "a": by: got x, want a decimal number`},
		{"margin_test_param { num_output: 1 bottom: 'x' }", `1:61: layer "a": unknown field "bottom" of MarginTestParameter, LayerParameter has one`},
		{"margin_test_param { num_output: 1", `1:27: layer "a": "margin_test_param" is not closed, "}" is missing` + "\n" +
			`net.prototxt:1:1: layer "a": "layer" is not closed, "}" is missing`},
	} {
		text := "layer {name:'a' type: 'b' " + tt.text
		if !strings.Contains(tt.want, "not closed") {
			text += " }"
		}
		_, err := ParseNet("net.prototxt", []byte(text))
		want := strings.Split("net.prototxt:"+tt.want, "\n")
		slices.Sort(want)
		var got []string
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got  %s\n want %s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Positions in a plugin's field are known, also in a copy of the net.
func TestPluginPositions(t *testing.T) {
	n, err := ParseNet("net.prototxt", []byte(pluginNet))
	if err != nil {
		t.Fatal(err)
	}
	copied := proto.Clone(n.Param).(*caffepb.NetParameter)
	n.Positions.Copied(n.Param, copied)
	for _, tt := range []struct {
		path  string
		index int
		want  string
	}{
		{"margin_test_param", 0, "10:3"},
		{"margin_test_param.num_output", 0, "11:17"},
		{"margin_test_param.weight_filler.std", 0, "15:12"},
		{"margin_test_param.weight", 1, "26:13"},
		{"margin_test_param.step", 1, "22:5"},
		{"margin_test_param.first.at", 0, "10:3"}, // not written
		{"other_test_param.x", 0, "5:8"},
		{"concat_param.axis", 0, "8:11"},
		{"no_such_param.x", 0, "1:1"},
	} {
		for _, l := range []*caffepb.LayerParameter{n.Param.Layer[0], copied.Layer[0]} {
			if got := n.Positions.Of(l, tt.path, tt.index).String(); got != "net.prototxt:"+tt.want {
				t.Errorf("%s[%d] is at %s, want %s", tt.path, tt.index, got, tt.want)
			}
		}
	}
}

// Bytes under a plugin's number that are not the plugin's message are printed by number,
// like all unknown fields.
func TestPluginNumberOfFork(t *testing.T) {
	l := &caffepb.LayerParameter{Name: proto.String("a")}
	l.ProtoReflect().SetUnknown([]byte{0xd2, 0xe2, 0x09, 2, 0x1a, 0x7f}) // 20010: a filler of 127 bytes, where none are
	want := "name: \"a\"\n20010: \"\\032\\177\"\n"
	if got := string(Marshal(l)); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestAddLayerTypeErrors(t *testing.T) {
	for _, tt := range []struct{ text, message, want string }{
		{"message M { optional int32 x = 1; }", "N", "bad_param.proto: there is no message N"},
		{"message MyParameter { }", "MyParametr", "bad_param.proto: there is no message MyParametr, did you mean MyParameter?"},
		{"message M { optional FilerParameter f = 1; }", "M", `bad_param.proto:1:22: field "f" of M: there is no type FilerParameter, did you mean FillerParameter?`},
		{"message M { optional int32 x 1; }", "M", `bad_param.proto:1:30: found "1" but expected`},
	} {
		err := AddLayerType(LayerType{Type: "Bad", Fields: []LayerField{{Name: "bad_param", Number: 20020, Proto: tt.text, Message: tt.message}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
		if FieldOfLayer("bad_param") != nil {
			t.Errorf("%s: the field exists in spite of the error", tt.text)
		}
	}
	if f := FieldOfLayer("margin_test_param"); f == nil || f.Number() != 20010 {
		t.Errorf("margin_test_param is %v", f)
	}
	if f := FieldOfLayer("concat_param"); f == nil || f.ContainingMessage() != layerParameter {
		t.Errorf("concat_param is %v", f)
	}
}

// Lint finds a plugin's parameter on a layer of another type, but not a second one of
// the type itself.
func TestLintPluginField(t *testing.T) {
	const message = `message TwoTestParameter { optional int64 x = 1; }`
	err := AddLayerType(LayerType{Type: "TwoTest", Fields: []LayerField{
		{"two_test_param", 20030, message, "TwoTestParameter"}, {"second_test_param", 20031, message, "TwoTestParameter"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseNet("net.prototxt", []byte("layer { name: 'c' type: 'Concat' other_test_param { x: 1 } }\nlayer { name: 'm' type: 'OtherTest' other_test_param { x: 1 } }\n"+
		"layer { name: 't' type: 'TwoTest' two_test_param { x: 1 } second_test_param { x: 1 } }"))
	if err != nil {
		t.Fatal(err)
	}
	want := `net.prototxt:1:34: layer "c": other_test_param has no effect on a layer of type Concat`
	if got := Lint(n).Err(); got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Reading a layer repeatedly gives the same bytes.
func TestPluginBytesAreDeterministic(t *testing.T) {
	var first []byte
	for i := range 20 {
		n, err := ParseNet("net.prototxt", []byte(pluginNet))
		if err != nil {
			t.Fatal(err)
		}
		b := n.Param.Layer[0].ProtoReflect().GetUnknown()
		if i == 0 {
			first = b
		} else if !bytes.Equal(first, b) {
			t.Fatalf("reading %d gives other bytes", i)
		}
	}
}
