package layers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Two layers of forks are called Twice, with fields of one name and number.
func init() {
	layers.Register(layers.Info{
		Type: "Twice", Dialects: []string{"ssd"}, New: never, Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		Plugin:     &layers.Plugin{Field: "twice_param", Number: 137, Message: "TwiceParameter", Proto: "message TwiceParameter { optional int32 a = 1; }"},
		MoreFields: []layers.Plugin{{Field: "clip2_param", Message: "ClipParameter"}},
		Extends: `message LossParameter {
			repeated float side_weighting = 1; optional Side side = 2; enum NormalizationMode { BY_SIDE = 9; }
		}
		message Side { optional int32 length = 1 [default = 7]; }`,
	})
	layers.Register(layers.Info{
		Type: "Twice", Dialects: []string{"rcnn"}, New: never, Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		Plugin: &layers.Plugin{Field: "twice_param", Number: 137, Message: "TwiceParameter", Proto: `message TwiceParameter { optional string b = 1 [default = "none"]; }`},
	})
}

// TestMeanings checks that each of two types reads its own options.
func TestMeanings(t *testing.T) {
	const more = `bottom: "x" top: "y"`
	spec := specOf(t, `layer { name: "l" type: "Twice" `+more+` twice_param { a: 5 } clip2_param { min: -1 max: 1 }
		loss_param { ignore_label: 3 side_weighting: 0.5 side_weighting: 2 side { length: 4 } normalization: BY_SIDE } }`)
	if got := layers.Of(spec.Param).Dialects; fmt.Sprint(got) != "[ssd]" || spec.Dialect() != "ssd" {
		t.Fatalf("the type is that of %v, the dialect %q", got, spec.Dialect())
	}
	var o struct {
		A int `proto:"a"`
	}
	if err := spec.Options(&o); err != nil || o.A != 5 {
		t.Errorf("twice_param is %+v, error %v", o, err)
	}
	var clip struct {
		Min float32 `proto:"min"`
	}
	if given, err := spec.OptionsIn("clip2_param", &clip); err != nil || !given || clip.Min != -1 {
		t.Errorf("clip2_param is %+v, given %v, error %v", clip, given, err)
	}
	type lossOptions struct {
		Ignore int       `proto:"ignore_label"`
		Weight []float32 `proto:"side_weighting"`
		Mode   string    `proto:"normalization"`
		Side   struct {
			Length int `proto:"length"`
		} `proto:"side"`
	}
	var loss lossOptions
	given, err := spec.OptionsIn("loss_param", &loss)
	if got := fmt.Sprintf("%+v", loss); err != nil || !given || got != "{Ignore:3 Weight:[0.5 2] Mode:BY_SIDE Side:{Length:4}}" {
		t.Errorf("loss_param is %s, given %v, error %v", got, given, err)
	}
	if got := spec.Pos("loss_param.side_weighting").String(); got != "net.prototxt:2:48" {
		t.Errorf("side_weighting is at %s", got)
	}

	spec = specOf(t, `layer { name: "l" type: "Twice" `+more+` twice_param { b: "x" } }`)
	var other struct {
		B string `proto:"b"`
	}
	if err := spec.Options(&other); err != nil || other.B != "x" || spec.Dialect() != "rcnn" {
		t.Errorf("rcnn's twice_param is %+v, dialect %q, error %v", other, spec.Dialect(), err)
	}
	if given, err := spec.OptionsIn("loss_param", new(struct{})); err != nil || given {
		t.Errorf("no loss_param: given %v, error %v", given, err)
	}
	if n := len(layers.Meanings("Twice")); n != 2 {
		t.Errorf("Twice has %d meanings, want 2", n)
	}
}

// TestOf checks layers that were not read from text.
func TestOf(t *testing.T) {
	l := &caffepb.LayerParameter{Type: proto.String("Twice")}
	if info := layers.Of(l); info != nil {
		t.Errorf("nothing says which, but it is that of %v", info.Dialects)
	}
	if err := layers.UnknownTypeOf(l); !strings.Contains(err.Error(), "in each of the dialects rcnn, ssd") {
		t.Errorf("the error is %v", err)
	}
	for dialect, want := range map[string]string{"ssd": "[ssd]", "yolo": "[ssd]", "rfcn": "[rcnn]"} {
		prototxt.SetDialect(l, dialect)
		if info := layers.Of(l); info == nil || fmt.Sprint(info.Dialects) != want {
			t.Errorf("in %s it is %+v, want that of %s", dialect, info, want)
		}
	}
	prototxt.SetDialect(l, "segnet")
	if err := layers.UnknownTypeOf(l); layers.Of(l) != nil || !strings.Contains(err.Error(), `no layer type "Twice" of dialect segnet, it has that of rcnn, ssd`) {
		t.Errorf("in segnet it is %v, error %v", layers.Of(l), err)
	}
}

// TestAlias checks that another name of a type is the type.
func TestAlias(t *testing.T) {
	layers.Alias("Doubly", "EveryKind", "mobile")
	spec := specOf(t, `layer { name: "l" type: "Doubly" every_kind_param { d: 2 } }`)
	info := layers.Of(spec.Param)
	if info == nil || info.Type != "EveryKind" || spec.Param.GetType() != "Doubly" || spec.Dialect() != "mobile" {
		t.Fatalf("the type is %+v of dialect %q", info, spec.Dialect())
	}
	var o struct {
		D float64 `proto:"d"`
	}
	if err := spec.Options(&o); err != nil || o.D != 2 {
		t.Errorf("the options are %+v, error %v", o, err)
	}
	if alias := layers.Lookup("Doubly"); alias.AliasOf() != info {
		t.Errorf("it is an alias of %v", alias.AliasOf())
	}
}
