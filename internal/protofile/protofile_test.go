package protofile

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// link reads a file that may use the descriptors of protobuf itself as its
// imports.
func link(text string) (protoreflect.FileDescriptor, error) {
	file, err := Parse("p.proto", []byte(text))
	if err != nil {
		return nil, err
	}
	return Link(file, descriptorpb.File_google_protobuf_descriptor_proto)
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"message M {\n optional int32 x 1;\n}", `p.proto:2:19: found "1" but expected`},
		{"message M {\n optional int32 x = one;\n}", `p.proto:2:21: found "one" but expected`},
		{"message M {", "p.proto:1"},
		{"message M { optional string s = 1 [default = \"x]; }", "literal not terminated"},
		{"syntax = \"proto3\";", `p.proto:1:1: syntax is "proto3", want "proto2" as in caffe.proto`},
		{"message M {\n  int32 x = 1;\n}", `p.proto:2:3: field "x" of M is not marked optional, required or repeated`},
		{"message M {\n  optional int32 x = 0;\n}", `p.proto:2:12: field "x" of M has number 0, want 1 to 536870911`},
		{"message M { optional int32 x = 1;\n  optional int32 x = 2; }", `p.proto:2:12: field "x" of M is defined twice`},
		{"message M { optional int32 x = 1;\n  optional int32 y = 1; }", `p.proto:2:12: fields "x" and "y" of M have the same number 1`},
		{"message M {\n  map<string, int32> m = 1;\n}", `p.proto:2:3: map field "m" is not supported`},
		{"message M {\n  oneof o { int32 a = 1; }\n}", `p.proto:2:3: oneof "o" is not supported, want optional fields`},
		{"message M {\n  optional group G = 1 { optional int32 a = 1; }\n}", `group "G" is not supported, want a message`},
		{"extend M {\n  optional int32 a = 1;\n}", `p.proto:1:1: extensions ("extend M") are not supported`},
		{"enum E { }", `p.proto:1:1: enum "E" has no values`},
		{"message M {\n  optional Flaot x = 1;\n}", `p.proto:2:12: field "x" of M: there is no type Flaot, did you mean float?`},
		{"message M {\n  message In { }\n  optional Inn x = 1;\n}", `p.proto:3:12: field "x" of M: there is no type Inn, did you mean In?`},
		{"message M { optional google.protobuf.FieldOption x = 1; }", `there is no type google.protobuf.FieldOption, did you mean FieldOptions?`},
		{"message M { optional .Nowhere.M2 x = 1; }", `there is no type .Nowhere.M2`},
		{"message M { optional int32 x = 1 [default = 1.5]; }", "p.proto: "},
		{"message M { enum E { A = 0; } optional E x = 1 [default = B]; }", "p.proto: "},
		{"message M { } message M { }", "p.proto: "},
	} {
		_, err := link(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got  %v\n want %s", tt.text, err, tt.want)
		}
	}
}

// All errors of a file are reported at once, one per line.
func TestAllErrors(t *testing.T) {
	_, err := link("message M {\n  int32 x = 1;\n  int32 y = 2;\n}")
	want := `p.proto:2:3: field "x" of M is not marked optional, required or repeated` + "\n" +
		`p.proto:3:3: field "y" of M is not marked optional, required or repeated`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

const small = `
// The first comment.
syntax = "proto2";
package pkg;
import "elsewhere.proto";
option java_package = "x";

// What M is.
message M {
  enum Norm { L1 = 1; L2 = -2; }
  // What x is.
  optional int32 x = 1 [default = -0x1F]; // and more of it
  repeated float w = 2 [packed = true];
  required Norm n = 3 [default = L2];
  optional Out out = 0x4;
  optional .pkg.Out.In in = 5;
  optional FieldOptions options = 6;
  optional string s = 7 [default = "a \"b\" 'c' \n"];
  optional bytes b = 8 [default = "\001"];
  optional double d = 9 [default = -1e-5];
  optional bool t = 10 [deprecated = true, default = true];
  reserved 20 to 30;
  extensions 100 to max;
}
message Out { message In { optional M again = 1; } }
service S { rpc Call (M) returns (M); }
`

func TestLink(t *testing.T) {
	file, err := link(small)
	if err != nil {
		t.Fatal(err)
	}
	fields := file.Messages().ByName("M").Fields()
	for _, tt := range []struct {
		name, value string
	}{
		{"x", "-31"}, {"n", "-2"}, {"s", "a \"b\" 'c' \n"}, {"d", "-1e-05"}, {"t", "true"},
	} {
		if got := fields.ByName(protoreflect.Name(tt.name)).Default().String(); got != tt.value {
			t.Errorf("the default of %s is %q, want %q", tt.name, got, tt.value)
		}
	}
	if got := fields.ByName("b").Default().Bytes(); string(got) != "\x01" {
		t.Errorf("the default of b is %q, want the byte 1", got)
	}
	if w := fields.ByName("w"); !w.IsPacked() || !w.IsList() {
		t.Error("w is not a packed list")
	}
	for name, want := range map[protoreflect.Name]protoreflect.FullName{
		"out": "pkg.Out", "in": "pkg.Out.In", "options": "google.protobuf.FieldOptions",
	} {
		if got := fields.ByName(name).Message().FullName(); got != want {
			t.Errorf("%s is a %s, want %s", name, got, want)
		}
	}
	if n := fields.ByName("n"); n.Cardinality() != protoreflect.Required || n.Enum().FullName() != "pkg.M.Norm" {
		t.Errorf("n is %v", n)
	}
	x := file.SourceLocations().ByDescriptor(fields.ByName("x"))
	if x.LeadingComments != " What x is." || x.TrailingComments != " and more of it" || x.StartLine != 11 {
		t.Errorf("the source of x is %+v", x)
	}
	if m := file.SourceLocations().ByDescriptor(file.Messages().ByName("M")); m.LeadingComments != " What M is." {
		t.Errorf("the source of M is %+v", m)
	}
}

// A file moved to another package still finds its own messages.
func TestLinkInOtherPackage(t *testing.T) {
	text := `package google.protobuf; message M { optional google.protobuf.N n = 1; optional FieldOptions o = 2; } message N { }`
	file, err := Parse("p.proto", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	file.Package = new("google.protobuf.mine")
	linked, err := Link(file, descriptorpb.File_google_protobuf_descriptor_proto)
	if err != nil {
		t.Fatal(err)
	}
	fields := linked.Messages().ByName("M").Fields()
	if got := fields.ByName("n").Message().FullName(); got != "google.protobuf.mine.N" {
		t.Errorf("n is a %s", got)
	}
	if got := fields.ByName("o").Message().FullName(); got != "google.protobuf.FieldOptions" {
		t.Errorf("o is a %s", got)
	}
}

// FuzzLink feeds arbitrary text. A linked file must be valid for protobuf itself.
func FuzzLink(f *testing.F) {
	f.Add(small)
	f.Add("message M { optional int32 x = 1 [default = 5]; }")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := link(text)
		if err != nil {
			return
		}
		if got := protodesc.ToFileDescriptorProto(file).GetName(); got != "p.proto" {
			t.Errorf("the file is named %q", got)
		}
	})
}

// TestQuotes reads defaults in single quotes, which all of Caffe's forks use, and checks
// that other apostrophes are not changed.
func TestQuotes(t *testing.T) {
	fd, err := link(`// it's a comment
/* and that's one
   of two lines' length */
message M {
  optional string a = 1 [default = 'L 2'];  // it's good
  optional string b = 2 [default = 'say "it"'];
  optional string c = 3 [default = "it's"];
  optional string d = 4 [default = ''];
  optional string e = 5 [default = 'it\'s'];
}`)
	if err != nil {
		t.Fatal(err)
	}
	fields := fd.Messages().ByName("M").Fields()
	for i, want := range []string{"L 2", `say "it"`, "it's", "", "it's"} {
		if got := fields.Get(i).Default().String(); got != want {
			t.Errorf("the default of %s is %q, want %q", fields.Get(i).Name(), got, want)
		}
	}
}

func TestNesting(t *testing.T) {
	deep := func(n int) []byte {
		return []byte("// {{{\nmessage A { optional string s = 1 [default = '{{{'];\n" + strings.Repeat("message B {\n", n) + strings.Repeat("}", n) + "}")
	}
	if _, err := Parse("x.proto", deep(maxNesting-1)); err != nil {
		t.Error(err)
	}
	_, err := Parse("x.proto", deep(100_000))
	if want := "x.proto:102: more than 100 messages in each other"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
