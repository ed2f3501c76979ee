package layers_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// everyKind has a field of every kind that an option may be of.
const everyKind = `
syntax = "proto2";
package caffe;
import "caffe.proto";

enum Colour { RED = 1; GREEN = 5; }

// Options of a layer that is made for the test.
message EveryKindParameter {
  message Inner { optional int32 depth = 1 [default = 3]; repeated string word = 2; }
  enum Norm { CLASS = 0; NONE = 7; }
  optional double d = 1 [default = 2.5];
  optional float f = 2 [default = 1e-5];
  optional int32 i32 = 3 [default = -7];
  optional int64 i64 = 4 [default = 0x10];
  optional uint32 u32 = 5 [default = 4294967295];
  optional uint64 u64 = 6;
  optional sint32 s32 = 7;
  optional sint64 s64 = 8;
  optional fixed32 x32 = 9;
  optional fixed64 x64 = 10;
  optional sfixed32 sx32 = 11;
  optional sfixed64 sx64 = 12;
  optional bool b = 13 [default = true];
  optional string s = 14 [default = "it's \"L2\""];
  optional bytes raw = 15;
  optional Norm norm = 16 [default = NONE];
  optional Colour colour = 17 [default = GREEN];
  optional Inner inner = 18;
  repeated Inner list = 19;
  repeated float weight = 20 [packed = true];
  repeated int32 axis = 21;
  repeated Norm norms = 22;
  optional FillerParameter weight_filler = 23;
  optional caffe.BlobShape shape = 24;
  optional float inf = 25 [default = -inf];
  repeated string name = 26;
}`

type inner struct {
	Depth int      `proto:"depth"`
	Word  []string `proto:"word"`
}

type everyKindOptions struct {
	D       float64                  `proto:"d"`
	F       float32                  `proto:"f"`
	I32     int32                    `proto:"i32"`
	I64     int64                    `proto:"i64"`
	U32     uint32                   `proto:"u32"`
	U64     uint64                   `proto:"u64"`
	S32     int                      `proto:"s32"`
	S64     int                      `proto:"s64"`
	X32     int                      `proto:"x32"`
	X64     uint                     `proto:"x64"`
	SX32    int16                    `proto:"sx32"`
	SX64    int64                    `proto:"sx64"`
	B       bool                     `proto:"b"`
	S       string                   `proto:"s"`
	Raw     []byte                   `proto:"raw"`
	Norm    string                   `proto:"norm"`
	Colour  int32                    `proto:"colour"`
	Inner   *inner                   `proto:"inner"`
	List    []inner                  `proto:"list"`
	Weight  []float32                `proto:"weight"`
	Axis    []int                    `proto:"axis"`
	Norms   []string                 `proto:"norms"`
	Filler  *caffepb.FillerParameter `proto:"weight_filler"`
	Shape   *caffepb.BlobShape       `proto:"shape"`
	Inf     float32                  `proto:"inf"`
	Name    []string                 `proto:"name"`
	private int                      // fields without a tag are left alone
}

func never(*layers.Spec) (layers.Layer, error) { return nil, fmt.Errorf("is made for the test only") }

func init() {
	layers.Register(layers.Info{
		Type: "EveryKind", New: never,
		Plugin: &layers.Plugin{Field: "every_kind_param", Number: 20001, Proto: everyKind, Message: "EveryKindParameter"},
	})
	layers.Register(layers.Info{
		Type: "Needy", New: never,
		Plugin: &layers.Plugin{Field: "needy_param", Number: 20002, Message: "NeedyParameter", Proto: `
			message NeedyParameter { required uint32 num_output = 1; optional int64 big = 2; optional uint64 huge = 3; }`},
	})
}

// specOf returns the Spec of the one layer in the text.
func specOf(t *testing.T, text string) *layers.Spec {
	t.Helper()
	file, err := prototxt.ParseNet("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return layers.NewSpec(file.Param.Layer[0], new(layers.Env), file.Positions)
}

func TestOptions(t *testing.T) {
	spec := specOf(t, `layer { name: "l" type: "EveryKind" every_kind_param {
		d: 1 f: 2 i32: 3 i64: 4 u32: 5 u64: 6 s32: -7 s64: -8 x32: 9 x64: 10 sx32: -11 sx64: -12 b: false s: "s" raw: "\377"
		norm: CLASS colour: RED inner { depth: 4 } list { word: "a" word: "b" } list { depth: 5 } weight: [1, 2] weight: 3
		axis: -1 axis: 2 norms: NONE norms: CLASS weight_filler { type: "msra" std: 0.5 } shape { dim: 2 dim: 3 } inf: inf name: "n" } }`)
	got := everyKindOptions{private: 42}
	if err := spec.Options(&got); err != nil {
		t.Fatal(err)
	}
	if want := (&caffepb.FillerParameter{Type: proto.String("msra"), Std: proto.Float32(0.5)}); !proto.Equal(got.Filler, want) {
		t.Errorf("weight_filler is %v, want %v", got.Filler, want)
	}
	if want := (&caffepb.BlobShape{Dim: []int64{2, 3}}); !proto.Equal(got.Shape, want) {
		t.Errorf("shape is %v, want %v", got.Shape, want)
	}
	got.Filler, got.Shape = nil, nil
	want := everyKindOptions{
		D: 1, F: 2, I32: 3, I64: 4, U32: 5, U64: 6, S32: -7, S64: -8, X32: 9, X64: 10, SX32: -11, SX64: -12, S: "s", Raw: []byte{0xff},
		Norm: "CLASS", Colour: 1, Inner: &inner{Depth: 4}, List: []inner{{3, []string{"a", "b"}}, {5, []string{}}},
		Weight: []float32{1, 2, 3}, Axis: []int{-1, 2}, Norms: []string{"NONE", "CLASS"}, Inf: float32(math.Inf(1)), Name: []string{"n"}, private: 42,
	}
	want.Inner.Word = []string{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOptionDefaults(t *testing.T) {
	for _, text := range []string{
		`layer { name: "l" type: "EveryKind" }`,
		`layer { name: "l" type: "EveryKind" every_kind_param {} }`,
	} {
		spec := specOf(t, text)
		var got everyKindOptions
		if err := spec.Options(&got); err != nil {
			t.Fatal(err)
		}
		want := everyKindOptions{
			D: 2.5, F: 1e-5, I32: -7, I64: 16, U32: math.MaxUint32, B: true, S: `it's "L2"`, Norm: "NONE", Colour: 5, Inf: float32(math.Inf(-1)),
			List: []inner{}, Weight: []float32{}, Axis: []int{}, Norms: []string{}, Name: []string{},
		}
		if got.Raw == nil {
			got.Raw = []byte{}
		}
		want.Raw = []byte{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", text, got, want)
		}
	}
}

func TestHasOption(t *testing.T) {
	spec := specOf(t, `layer { name: "l" type: "EveryKind" every_kind_param { f: 1e-5 axis: 3 } }`)
	for name, want := range map[string]bool{"": true, "f": true, "axis": true, "d": false, "inner": false} {
		if got := spec.HasOption(name); got != want {
			t.Errorf("HasOption(%q) = %v, want %v", name, got, want)
		}
	}
	if specOf(t, `layer { type: "EveryKind" }`).HasOption("") {
		t.Error("HasOption(\"\") is true of a layer without every_kind_param")
	}
}

func TestOptionErrors(t *testing.T) {
	spec := specOf(t, `layer {
  name: "l"
  type: "EveryKind"
  every_kind_param {
    f: 3
    inner {
      word: "x"
      depth: 9
    }
    axis: 1
    axis: 2
    weight_filler { type: "msra" }
    sx32: 100000
  }
}`)
	for _, tt := range []struct {
		field string
		index int
		want  string
	}{
		{"every_kind_param", 0, "4:3"},
		{"every_kind_param.f", 0, "5:8"},
		{"every_kind_param.inner", 0, "6:5"},
		{"every_kind_param.inner.depth", 0, "8:14"},
		{"every_kind_param.axis", 1, "11:11"},
		{"every_kind_param.weight_filler.type", 0, "12:27"},
		{"every_kind_param.weight_filler.std", 0, "12:5"}, // not written: that of the message around it
		{"every_kind_param.d", 0, "4:3"},
	} {
		want := fmt.Sprintf(`net.prototxt:%s: layer "l": bad`, tt.want)
		if got := spec.ErrorAt(tt.field, tt.index, fmt.Errorf("bad")).Error(); got != want {
			t.Errorf("an error about %s[%d] is %q, want %q", tt.field, tt.index, got, want)
		}
	}
	var o everyKindOptions
	want := `net.prototxt:13:11: layer "l": every_kind_param.sx32 is 100000, beyond the 16 bits it is kept in`
	if err := spec.Options(&o); err == nil || err.Error() != want {
		t.Errorf("Options: %v, want %s", err, want)
	}
}

func TestOptionsOfNeedyLayer(t *testing.T) {
	var o struct {
		NumOutput int   `proto:"num_output"`
		Big       int8  `proto:"big"`
		Huge      int64 `proto:"huge"`
	}
	for _, tt := range []struct{ text, want string }{
		{`layer { name: "l" type: "Needy" needy_param { num_output: 3 } }`, ""},
		{`layer { name: "l" type: "Needy" }`, `net.prototxt:1:1: layer "l": needy_param needs "num_output"`},
		{`layer { name: "l" type: "Needy" needy_param { num_output: 3 big: -129 } }`,
			`net.prototxt:1:66: layer "l": needy_param.big is -129, beyond the 8 bits it is kept in`},
		{`layer { name: "l" type: "Needy" needy_param { num_output: 3 huge: 9223372036854775808 } }`,
			`net.prototxt:1:67: layer "l": needy_param.huge is 9223372036854775808, beyond the 64 bits it is kept in`},
	} {
		got := ""
		if err := specOf(t, tt.text).Options(&o); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
	if o.NumOutput != 3 {
		t.Errorf("num_output is %d, want 3", o.NumOutput)
	}
	// A damaged field, as only a broken file can have it.
	param := &caffepb.LayerParameter{Name: proto.String("l"), Type: proto.String("Needy")}
	param.ProtoReflect().SetUnknown([]byte{0x92, 0xe2, 0x09, 1, 0x08})
	err := layers.NewSpec(param, new(layers.Env), nil).Options(&o)
	if err == nil || !strings.HasPrefix(err.Error(), `layer "l": needy_param: field 20002 is no NeedyParameter`) {
		t.Errorf("damaged bytes: %v", err)
	}
}

// What is wrong with the layer and not with the file is a panic.
func TestOptionPanics(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(*layers.Spec)
		want string
	}{
		"no struct": {func(s *layers.Spec) { s.Options(new(int)) }, "layers: Options(*int): want a pointer to a struct"},
		"unknown tag": {func(s *layers.Spec) {
			s.Options(&struct {
				X int `proto:"x"`
			}{})
		}, `is tagged "x", but EveryKindParameter has no such field`},
		"unknown name": {func(s *layers.Spec) { s.HasOption("x") }, `layers: HasOption("x"): EveryKindParameter has no such field`},
		"string for a number": {func(s *layers.Spec) {
			s.Options(&struct {
				X string `proto:"f"`
			}{})
		}, `"f" of EveryKindParameter is float, which string cannot hold`},
		"number for a list": {func(s *layers.Spec) {
			s.Options(&struct {
				X int `proto:"axis"`
			}{})
		}, `"axis" of EveryKindParameter is repeated int32, which int cannot hold`},
		"another message": {func(s *layers.Spec) {
			s.Options(&struct {
				X *caffepb.BlobProto `proto:"weight_filler"`
			}{})
		}, `"weight_filler" of EveryKindParameter is message, which *caffepb.BlobProto cannot hold`},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q in it", got, tt.want)
				}
			}()
			tt.do(specOf(t, `layer { type: "EveryKind" every_kind_param { weight_filler { } } }`))
		})
	}
}
