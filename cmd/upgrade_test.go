package gocaffecmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/proto"
)

// The files are those that Caffe's own three tools wrote, called by their names.
func TestUpgradeTools(t *testing.T) {
	dir := reference.Golden(t, "formats/upgrade")
	upgraded, err := filepath.Glob(filepath.Join(dir, "*.upgraded.*"))
	if err != nil || len(upgraded) < 15 {
		t.Fatalf("%d upgraded files, want 15 or more (%v)", len(upgraded), err)
	}
	for _, golden := range upgraded {
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Replace(golden, ".upgraded", "", 1)
		command, tool := "upgrade-net", "upgrade_net_proto_text"
		switch {
		case strings.HasPrefix(filepath.Base(golden), "solver"):
			command, tool = "upgrade-solver", "upgrade_solver_proto_text"
		case filepath.Ext(golden) == ".caffemodel":
			tool = "upgrade_net_proto_binary"
		}
		for _, name := range []string{command, tool} {
			out := filepath.Join(t.TempDir(), "out")
			mustRun(t, name, old, out)
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			same := string(got) == string(want)
			if tool == "upgrade_net_proto_binary" { // the order of fields is the writer's choice
				var g, w caffepb.NetParameter
				if err := proto.Unmarshal(want, &w); err != nil || len(w.Layer) == 0 {
					t.Fatalf("%s: %v", golden, err)
				}
				same = proto.Unmarshal(got, &g) == nil && proto.Equal(&g, &w)
			}
			if !same {
				t.Errorf("%s %s: the result is not that of Caffe\n%s", name, filepath.Base(old), got)
			}
		}
	}
}

func TestUpgradeInPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "net.prototxt")
	if err := os.WriteFile(file, []byte("layers { name: 'r' type: RELU bottom: 'a' top: 'a' }"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, log := mustRun(t, "upgrade-net", file, file)
	if !strings.Contains(log, "Successfully upgraded file specified using deprecated V1LayerParameter") {
		t.Errorf("the log does not say what was upgraded:\n%s", log)
	}
	got, err := os.ReadFile(file)
	if want := "layer {\n  name: \"r\"\n  type: \"ReLU\"\n  bottom: \"a\"\n  top: \"a\"\n}\n"; err != nil || string(got) != want {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
	_, log = mustRun(t, "upgrade-net", file, file)
	if !strings.Contains(log, "is in the current format already") {
		t.Errorf("the log of the second upgrade is\n%s", log)
	}
}

func TestUpgradeErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.prototxt")
	if err := os.WriteFile(bad, []byte("layers { name: 'r'\n typ: RELU }"), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, tt := range []struct{ line, want string }{
		{"upgrade-net " + bad + " " + out, bad + ":2:2: "},
		{"upgrade_net_proto_binary " + bad + " " + out, "a text file, want a net in binary form"},
		{"upgrade-net --form=json a b", `--form is "json", want text or binary`},
		{"upgrade-net a", "upgrade-net: accepts 2 arg(s), received 1; usage: gocaffe upgrade-net IN OUT"},
		{"upgrade-solver " + bad + " " + out, bad + ":1:1: "},
		{"upgrade-net absent " + out, "absent"},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a failed upgrade left a file")
	}
}
