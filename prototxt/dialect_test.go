package prototxt

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Three layers are called Twin: two of forks, whose fields have one name and one
// number, and Caffe's own Single has fields of a fork.
func init() {
	for _, d := range []Dialect{
		{Name: "left", Whose: "Left", Types: []string{"Twin", "OnlyLeft"}, V1Types: map[string]string{"TWIN": "Twin"},
			Harmless: "message DataParameter { optional uint32 sweet = 1; } message PoolingParameter { optional bool down = 1; } message LRNParameter { enum Engine { STEAM = 9; CAFFE = 1; } }", Advice: map[string]string{"ReLUParameter.sour": "leave it out"}},
		{Name: "right", Whose: "Right", Types: []string{"Twin"}, Fields: []string{"lrn_param.alpha"}},
		{Name: "lefter", Whose: "Lefter", Includes: []string{"left"}, Types: []string{"OnlyLefter"}},
		{Name: "absent", Whose: "Absent", Types: []string{"Twin"}},
	} {
		if err := AddDialect(d); err != nil {
			panic(err)
		}
	}
	two := func(n int) func(int, int, int) bool { return func(bottoms, _, _ int) bool { return bottoms <= n } }
	for _, typ := range []LayerType{
		{Type: "Twin", Dialects: []string{"left"}, Allows: two(2), Fields: []LayerField{{"twin_param", 137,
			"message TwinParameter { optional float a = 1; optional float both = 2; }", "TwinParameter"}}},
		{Type: "Twin", Dialects: []string{"right"}, Allows: two(1), Fields: []LayerField{{"twin_param", 137,
			"message TwinParameter { optional string b = 1; optional float both = 2; optional ReLUParameter relu = 3; }", "TwinParameter"}}},
		{Type: "Single", Extends: `message PoolingParameter { optional bool up = 1 [default = true]; optional Shape shape = 2; } message EltwiseParameter { enum EltwiseOp { MODE = 7; } }
			message Shape { repeated int32 at = 1; }`},
		{Type: "Other", Extends: "message PoolingParameter { optional float down = 1; }"},
		{Type: "Caffes"},
		{Type: "Caffes", Dialects: []string{"left"}, Extends: "message LossParameter { optional float fair = 1; }"},
	} {
		if err := AddLayerType(typ); err != nil {
			panic(err)
		}
	}
}

// TestDialects reads types and fields that mean different things.
func TestDialects(t *testing.T) {
	for _, tt := range []struct {
		name, dialect, text string
		want                string // the dialect of the last layer, or the error
		notes               int
	}{
		{"by field", "", `layer { type: "Twin" twin_param { a: 1 } }`, "left", 1},
		{"by field before type", "", `layer { twin_param { b: "x" } type: "Twin" }`, "right", 1},
		{"by field in field", "", `layer { type: "Twin" twin_param { relu { negative_slope: 1 } } }`, "right", 1},
		{"by bottoms", "", `layer { type: "Twin" bottom: "x" bottom: "y" }`, "left", 1},
		{"behind blobs", "", `layer { type: "Twin" blobs { data: 1 shape { dim: 1 } } blobs: { data: 2 } twin_param { b: "x" } }`, "right", 1},
		{"by list", "", `layer { type: "Twin" bottom: ["x", "y"] }`, "left", 1},
		{"by other layers", "", `layer { type: "OnlyLefter" } layer { type: "OnlyLeft" } layer { type: "Twin" }`, "left", 1},
		{"by fields of other layers", "", `layer { type: "Caffes" lrn_param: { alpha: 2 } } layer { type: "Twin" }`, "right", 1},
		{"told once", "", `layer { type: "Twin" twin_param { a: 1 } } layer { type: "Twin" twin_param { a: 2 } }`, "left", 1},
		{"two fit", "", "layer { }\nlayer { name: 'l' type: \"Twin\" twin_param { both: 1 } } layer { type: \"Twin\" }",
			`n:2:25: layer "l": type "Twin" is one layer of Left and another of Right: ` +
				`say which with --dialect left or --dialect right, or in the file with a line "# gocaffe: dialect left"`, 0},
		{"given", "right", `layer { type: "Twin" twin_param { both: 1 } }`, "right", 0},
		{"included", "lefter", `layer { type: "Twin" twin_param { both: 1 } }`, "lefter", 0},
		{"in the file", "", "# a net\n  # gocaffe: dialect right \nlayer { type: \"Twin\" twin_param { both: 1 } }", "right", 0},
		{"given and in the file", "left", "# gocaffe: dialect right\nlayer { type: \"Twin\" twin_param { both: 1 } }", "left", 0},
		{"wrong field", "right", `layer { name: "l" type: "Twin" twin_param { a: 1 } }`, `n:1:45: layer "l": unknown field "a" of TwinParameter`, 0},
		{"wrong everywhere", "", `layer { name: "l" type: "Twin" twin_param { a: 1 c: 1 } }`, `n:1:50: layer "l": unknown field "c" of TwinParameter`, 0},
		{"nobody's", "absent", `layer { type: "Twin" }`, "absent", 0},
		{"V1", "", `layers { type: TWIN twin_param { a: 1 } }`, "left", 1},
		{"Caffe's own first", "", `layer { type: "Caffes" loss_param { normalize: true } }`, "", 0},
		{"not Caffe's own", "", `layer { type: "Caffes" loss_param { fair: 1 } }`, "left", 1},
		{"Caffe's own in a dialect", "left", `layer { type: "Caffes" }`, "left", 0},
		{"harmless", "", `layer { type: "Caffes" data_param { sweet: 1 } }`, "", 1},
		{"harmless, and read by another type", "", `layer { type: "Caffes" pooling_param { down: true } }`, "", 1},
		{"not harmless to its type", "", `layer { type: "Other" pooling_param { down: 0.5 } }`, "", 0},
		{"values of enums", "", `layer { type: "Caffes" lrn_param { engine: STEAM } eltwise_param { operation: MODE } }`, "", 0},
		{"advice", "", `layer { relu_param { sour: 1 } }`, `n:1:22: unknown field "sour" of ReLUParameter: a field of Left: leave it out`, 0},
		{"unknown dialect", "", "layer { }\n# gocaffe: dialect wright\n", `n:2:20: unknown dialect "wright", did you mean "right"?`, 0},
		{"two dialects", "", "# gocaffe: dialect right\n# gocaffe: dialect left\n", "n:2:20: the file names two dialects, right and left", 0},
	} {
		n, err := ParseNetIn(tt.dialect, "n", []byte(tt.text))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = DialectOf(n.Param.Layer[len(n.Param.Layer)-1])
			if len(n.Notes) != tt.notes && tt.name != "V1" {
				t.Errorf("%s: notes %v, want %d", tt.name, n.Notes, tt.notes)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// A dialect's fields survive copies and files with their dialect, and text is as
// it was, without a trace of it.
func TestDialectTravels(t *testing.T) {
	const text = "layer {\n  type: \"Twin\"\n  twin_param {\n    b: \"x\"\n  }\n}\nlayer {\n  type: \"Single\"\n  pooling_param {\n    pad: 1\n    up: false\n    shape {\n      at: 3\n      at: 4\n    }\n  }\n}\n"
	n, err := ParseNet("n", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "w.caffemodel")
	if err := WriteBinary(path, proto.Clone(n.Param)); err != nil {
		t.Fatal(err)
	}
	back, _, err := ReadBinaryNet(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(back)); sortLines(got) != sortLines(text) {
		t.Errorf("printed:\n%s\nwant:\n%s", got, text)
	}
	l := back.Layer[0]
	if DialectOf(l) != "right" || l.EmbedParam != nil {
		t.Errorf("the dialect is %q, embed_param %v", DialectOf(l), l.EmbedParam)
	}
	if m, ok, err := LayerMessage(l, "twin_param"); err != nil || !ok || m.Get(m.Descriptor().Fields().ByName("b")).String() != "x" {
		t.Errorf("twin_param is %v, %v, %v", m, ok, err)
	}
	if got := n.Positions.Of(n.Param.Layer[1], "pooling_param.up", 0).String(); got != "n:11:9" {
		t.Errorf("up is at %s", got)
	}
	SetDialect(l, "left")
	if _, ok, _ := LayerMessage(l, "twin_param"); ok || DialectOf(l) != "left" {
		t.Error("the right's twin_param is the left's too")
	}
	SetDialect(l, "")
	if m, _, err := LayerMessage(l, "twin_param"); err != nil || m.Descriptor().Fields().ByName("b") == nil {
		t.Errorf("without a dialect, the field's number does not say whose it is: %v", err)
	}
}

// sortLines returns text without the order of its lines: additional fields have
// numbers of their own.
func sortLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		for j := range i {
			if lines[i] < lines[j] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// A field of a type is nothing to another type: it is an error unless it has its
// default.
func TestUnreadFields(t *testing.T) {
	for text, want := range map[string]string{
		`layer { name: "l" type: "Single" pooling_param { up: false shape { at: 1 } } }`: "",
		`layer { name: "l" type: "Caffes" pooling_param { up: true shape { } } }`:        "",
		`layer { name: "l" type: "Caffes" pooling_param { up: false } }`: `n:1:54: layer "l": pooling_param.up is not implemented for this type: ` +
			`--ignore-unknown-fields computes without it`,
		`layer { name: "l" type: "Caffes" pooling_param { shape { at: 1 } } }`: `n:1:50: layer "l": pooling_param.shape is not implemented for this type: ` +
			`--ignore-unknown-fields computes without it`,
		`layer { name: "l" type: "Caffes" twin_param { a: 1 } }`:               "", // Lint warns
		`layer { name: "l" type: "Single" eltwise_param { operation: MODE } }`: "",
		`layer { name: "l" type: "Caffes" lrn_param { engine: STEAM } }`:       "",
		`layer { name: "l" type: "Caffes" eltwise_param { operation: MODE } }`: `n:1:61: layer "l": eltwise_param.operation: the value MODE is not implemented ` +
			`for this type: --ignore-unknown-fields computes without it`,
	} {
		n, err := ParseNet("n", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		if list := UnreadFields(n.Param.Layer[0], n.Positions); len(list) > 0 {
			got = list.Error()
		}
		if got != want {
			t.Errorf("%s: got %s\nwant %s", text, got, want)
		}
	}
}

// Unknown fields of all kinds are warnings if they are to be ignored.
func TestIgnoreUnknownFields(t *testing.T) {
	const text = `layer { name: "l" type: "Caffes" pooling_param { up: false pad: 1 puff: 3 } puff_param { a { b: 1 } } }`
	if _, err := ParseNet("n", []byte(text)); err == nil {
		t.Error("unknown fields are no error")
	}
	done := IgnoreUnknownFields()
	n, err := ParseNet("n", []byte(text))
	done()
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, note := range n.Notes {
		notes = append(notes, string(note.Level)+" "+note.Text)
	}
	want := `W n:1:67: layer "l": unknown field "puff" of PoolingParameter; it is ignored
W n:1:77: layer "l": unknown field "puff_param" of LayerParameter: no plugin of this program has it (gocaffe build --with MODULE adds one; --proto FILE reads the caffe.proto of a fork); it is ignored
W n:1:54: layer "l": pooling_param.up is not implemented for this type; it is ignored`
	if got := strings.Join(notes, "\n"); got != want {
		t.Errorf("notes:\n%s\nwant:\n%s", got, want)
	}
	if n.Param.Layer[0].PoolingParam.GetPad() != 1 {
		t.Error("pad is lost")
	}
}

// TestUseDialect checks the dialect for all files.
func TestUseDialect(t *testing.T) {
	if _, err := UseDialect("rihgt"); err == nil || err.Error() != `unknown dialect "rihgt", did you mean "right"?` {
		t.Errorf("got %v", err)
	}
	done, err := UseDialect("right")
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) string {
		n, err := ParseNet("n", []byte(text))
		if err != nil {
			return err.Error()
		}
		return DialectOf(n.Param.Layer[0])
	}
	if got := read(`layer { type: "Twin" }`); got != "right" {
		t.Errorf("got %s", got)
	}
	if got := read("# gocaffe: dialect left\nlayer { type: \"Twin\" }"); got != "left" {
		t.Errorf("the file's own dialect: got %s", got)
	}
	done()
	if got := read(`layer { type: "Twin" }`); !strings.Contains(got, "is one layer of") {
		t.Errorf("afterwards: got %s", got)
	}
}

// TestAddDialectErrors adds dialects that cannot be.
func TestAddDialectErrors(t *testing.T) {
	for _, tt := range []struct {
		d    Dialect
		want string
	}{
		{Dialect{Name: "right"}, `there are two dialects "right"`},
		{Dialect{Name: "a b"}, `dialect "a b": want a name of letters, digits and hyphens`},
		{Dialect{Name: "badly", Harmless: "message Nothing { }"}, `dialect "badly": fields of dialect-badly: has no message that Caffe's own proto has`},
		{Dialect{Name: "badly", Harmless: "message ReLUParameter { optional float negative_slope = 1; }"},
			`dialect "badly": fields of dialect-badly: Caffe's ReLUParameter has a field "negative_slope"`},
	} {
		if err := AddDialect(tt.d); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if l := new(caffepb.LayerParameter); DialectOf(l) != "" {
		t.Error("a layer without a dialect has one")
	}
}
