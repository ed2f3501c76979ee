package prototxt

import (
	"io/fs"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// Text that C++ TextFormat accepts, and the result.
func TestParseAccepts(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"\xef\xbb\xbfname: 'x'\r\n# comment\r\nforce_backward: true # more", "name: \"x\"\nforce_backward: true\n"},
		{"name:\t\v\f'x'", "name: \"x\"\n"},
		{"force_backward: True", "force_backward: true\n"},
		{"force_backward: t", "force_backward: true\n"},
		{"force_backward: 1", "force_backward: true\n"},
		{"force_backward: 0x1", "force_backward: true\n"},
		{"force_backward: f", "force_backward: false\n"},
		{"force_backward: False", "force_backward: false\n"},
		{"force_backward: 00", "force_backward: false\n"},
		{"state { level: 010 }", "state {\n  level: 8\n}\n"},
		{"state { level: -0x10 }", "state {\n  level: -16\n}\n"},
		{"state { level: - 2147483648 }", "state {\n  level: -2147483648\n}\n"},
		{"state { phase: 0 }", "state {\n  phase: TRAIN\n}\n"},
		{"state { phase: 0x1 }", "state {\n  phase: TEST\n}\n"},
		{"state { phase: -0 }", "state {\n  phase: TRAIN\n}\n"},
		{"state < phase: TEST >", "state {\n  phase: TEST\n}\n"},
		{"state: < phase: TEST; > ;", "state {\n  phase: TEST\n}\n"},
		{"state: { phase: TEST, level: 1; }, name: 'x';", "name: \"x\"\nstate {\n  phase: TEST\n  level: 1\n}\n"},
		{"state {}", "state {\n}\n"},
		{"input_dim: [1, 0x2 ,3] input_dim: [] input_dim: 4", "input_dim: 1\ninput_dim: 2\ninput_dim: 3\ninput_dim: 4\n"},
		{"input: ['a', \"b\" 'c']", "input: \"a\"\ninput: \"bc\"\n"},
		{"input_shape: [{ dim: 1 }, < dim: 2 >] input_shape []", "input_shape {\n  dim: 1\n}\ninput_shape {\n  dim: 2\n}\n"},
		{"input_dim: 1input_dim:2", "input_dim: 1\ninput_dim: 2\n"},
		{"name: 'a' \"b\"\n# between\n'c'", "name: \"abc\"\n"},
		{"name: 'a\nb'", "name: \"a\\nb\"\n"},
		{`name: '\a\b\f\n\r\t\v\\\?\'\"'`, "name: \"\\007\\010\\014\\n\\r\\t\\013\\\\?\\'\\\"\"\n"},
		{`name: '\1\12\1234\400\x4\x41g\u00e9\U0001F600\ud83d\ude00'`,
			"name: \"\\001\\nS4\\000\\004Ag\\303\\251\\360\\237\\230\\200\\360\\237\\230\\200\"\n"},
		{"name: '\xff\xc3'", "name: \"\\377\\303\"\n"}, // not UTF-8; kept
	}
	for _, test := range tests {
		var p caffepb.NetParameter
		if err := Parse("f", []byte(test.text), &p, nil); err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if got := string(Marshal(&p)); got != test.want {
			t.Errorf("%q: got\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestParseFloats(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		text string
		want float64
	}{
		{"1", 1}, {"1.", 1}, {".5", .5}, {".5f", .5}, {"5F", 5}, {"1.f", 1}, {"1e3", 1000}, {"1.5E-3f", 0.0015}, {"1e+2", 100},
		{"0", 0}, {"0.5", 0.5}, {"-1", -1}, {"- .25", -.25}, {"inf", inf}, {"-inf", -inf}, {"Infinity", inf}, {"INF", inf},
		{"1e39", inf}, {"-1e400", -inf}, {"1e-400", 0}, {"123456789012345678901234567890", 123456789012345678901234567890},
		{"0.1", float64(float32(0.1))},
		// C++ rounds to double first: the text is just above the middle of two floats, its double exactly there.
		{"1.00000005960464477539062500000000001", 1},
	}
	for _, test := range tests {
		var p caffepb.SolverParameter
		if err := Parse("f", []byte("base_lr: "+test.text), &p, nil); err != nil {
			t.Errorf("%v", err)
		} else if got := p.GetBaseLr(); got != float32(test.want) {
			t.Errorf("%s: got %g, want %g", test.text, got, test.want)
		}
	}
	for _, nan := range []string{"nan", "NaN", "-nan"} {
		var p caffepb.SolverParameter
		if err := Parse("f", []byte("base_lr: "+nan), &p, nil); err != nil || p.GetBaseLr() == p.GetBaseLr() {
			t.Errorf("%s: got %g, %v", nan, p.GetBaseLr(), err)
		}
	}
}

// Cases that testdata/errors lacks: unusual bytes that editors do not keep, and limits.
func TestParseRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"name: 'x'\n\x00", `f:2:1: NUL byte: this is a binary file, want text`},
		{"name: 'x' \x01", `f:1:11: control character 0x01`},
		{`name: 'C:\data\new'`, `f:1:10: \d is an escape sequence in a string; write / or \\ in a path`},
		{`name: "C:\\data\new"`, `f:1:16: \n is an escape sequence in a string; write / or \\ in a path`}, // C++ would read a line feed
		{`name: "C:\Users\me"`, `f:1:10: \U is an escape sequence in a string; write / or \\ in a path`},
		{"\xff\xfen\x00", "f:1:1: text in UTF-16, want UTF-8"},
		{"name: '\\xg'", `f:1:8: unknown escape sequence "\\x" in a string`},
		{"name: '\\U00110000'", `f:1:8: unknown escape sequence "\\U" in a string`},
		{"name: '\\u12'", `f:1:8: unknown escape sequence "\\u" in a string`},
		{"name: 'abc", `f:1:7: string without a closing '`},
		{"name: '\\", "f:1:8: unknown escape sequence \"\\\\\" in a string\nf:1:7: string without a closing '"},
		{"name:", `f:1:6: name: got the end of the file, want a string in quotes`},
		{"name", `f:1:5: got the end of the file, want ":" after name`},
		{"name: 'x';;", `f:1:11: got ";", want the name of a field`},
		{"\xef\xbb\xbfnam: 'x'", `f:1:1: unknown field "nam" of NetParameter, did you mean "name"?`},
		{"name: '" + strings.Repeat("x", 100) + "' name: 1" + strings.Repeat("0", 100),
			"f:1:110: \"name\" of NetParameter is given again, first in line 1\nf:1:116: name: got 1" + strings.Repeat("0", 39) + "..., want a string in quotes"},
		{"state " + strings.Repeat("{ x ", 100000), "f:1:1: \"state\" is not closed, \"}\" is missing\nf:1:9: unknown field \"x\" of NetState"},
	}
	for _, test := range tests {
		var p caffepb.NetParameter
		err := Parse("f", []byte(test.text), &p, nil)
		if err == nil {
			t.Errorf("%.50q: no error", test.text)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		slices.Sort(lines)
		want := strings.Split(test.want, "\n")
		slices.Sort(want)
		if !slices.Equal(lines, want) {
			t.Errorf("%.50q: got\n%s\nwant\n%s", test.text, strings.Join(lines, "\n"), test.want)
		}
	}
}

func TestParseDepth(t *testing.T) {
	nest := func(n int) []byte {
		return []byte(strings.Repeat("nested_type { ", n) + strings.Repeat("}", n))
	}
	if err := Parse("f", nest(maxDepth), new(descriptorpb.DescriptorProto), nil); err != nil {
		t.Error(err)
	}
	err := Parse("f", nest(100000), new(descriptorpb.DescriptorProto), nil)
	if want := "f:1:1413: more than 100 messages in each other"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestParseManyErrors(t *testing.T) {
	err := Parse("f", []byte(strings.Repeat("x: 1\n", 1000)), new(caffepb.NetParameter), nil)
	list, ok := err.(ErrorList)
	if !ok || len(list) != maxErrors+1 {
		t.Fatalf("got %d errors, want %d and one about the limit", len(list), maxErrors)
	}
	if got, want := list[maxErrors].Error(), "f:101:1: too many errors, reading no further"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

const positioned = `name: "n"
layer {
  name: "ip"
  bottom: "a" bottom:
    "b"
  include: [{ phase: TEST }, { stage: ["x", "y"] }]
  inner_product_param { num_output: 3 weight_filler: < std: 2 > }
}
`

func TestPositions(t *testing.T) {
	n, err := ParseNet("f", []byte(positioned))
	if err != nil {
		t.Fatal(err)
	}
	l := n.Param.Layer[0]
	tests := []struct {
		m     proto.Message
		path  string
		index int
		want  string
	}{
		{n.Param, "", 0, "f:1:1"},
		{n.Param, "name", 0, "f:1:7"},
		{n.Param, "layer", 0, "f:2:1"},
		{n.Param, "state", 0, "f:1:1"},
		{l, "", 0, "f:2:1"},
		{l, "name", 0, "f:3:9"},
		{l, "type", 0, "f:2:1"},
		{l, "bottom", 0, "f:4:11"},
		{l, "bottom", 1, "f:5:5"},
		{l, "include", 1, "f:6:30"},
		{l.Include[0], "", 0, "f:6:13"},
		{l.Include[0], "phase", 0, "f:6:22"},
		{l.Include[1], "stage", 1, "f:6:45"},
		{l, "inner_product_param", 0, "f:7:3"},
		{l, "inner_product_param.num_output", 0, "f:7:37"},
		{l, "inner_product_param.axis", 0, "f:7:3"},
		{l, "inner_product_param.weight_filler.std", 0, "f:7:61"},
		{l.InnerProductParam.WeightFiller, "", 0, "f:7:39"},
	}
	for _, test := range tests {
		if got := n.Positions.Of(test.m, test.path, test.index).String(); got != test.want {
			t.Errorf("%s %q %d: got %s, want %s", test.m.ProtoReflect().Descriptor().Name(), test.path, test.index, got, test.want)
		}
	}
}

// All nets and solvers of the reference data can be read, except nets of forks, whose
// fields are named in errors. Printed and read again, they are the same.
func TestGoldenFiles(t *testing.T) {
	fork := regexp.MustCompile(`^f:\d+:\d+: layer ".*": unknown field "(bn_param|largemargin_inner_product_param|center_loss_param|` +
		`margin_inner_product_param|normalize_param|inner_distance_param|flip_param|em_softmax_param|normalize)" of (LayerParameter|InnerProductParameter)`)
	read, refused := 0, 0
	check := func(set fs.FS, name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".prototxt" {
			return err
		}
		var m proto.Message = new(caffepb.NetParameter)
		if strings.HasPrefix(d.Name(), "solver") {
			m = new(caffepb.SolverParameter)
		}
		text, err := fs.ReadFile(set, name)
		if err != nil {
			return err
		}
		if err := Parse("f", text, m, nil); err != nil {
			refused++
			for line := range strings.Lines(err.Error()) {
				if !fork.MatchString(line) {
					t.Errorf("%s: %s", name, line)
				}
			}
			return nil
		}
		read++
		again := m.ProtoReflect().New().Interface()
		if err := Parse("f", Marshal(m), again, nil); err != nil {
			t.Errorf("%s, printed and read: %v", name, err)
		} else if !proto.Equal(m, again) {
			t.Errorf("%s, printed and read: got\n%s\nwant\n%s", name, Marshal(again), Marshal(m))
		}
		return nil
	}
	for _, name := range []string{"formats", "layers", "solvers"} {
		set := reference.GoldenFS(t, name)
		err := fs.WalkDir(set, ".", func(file string, d fs.DirEntry, err error) error { return check(set, file, d, err) })
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files read, %d of forks rejected", read, refused)
	if read < 300 || refused < 20 {
		t.Errorf("%d files read and %d rejected, want at least 300 and 20", read, refused)
	}
}
