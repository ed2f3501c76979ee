package gocaffecmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
)

// TestProto checks a net with a layer and fields of a fork that the program
// does not have, with the fork's caffe.proto and without.
func TestProto(t *testing.T) {
	dir := t.TempDir()
	fork, net := filepath.Join(dir, "fork.proto"), filepath.Join(dir, "net.prototxt")
	write(t, fork, `package caffe;
message LayerParameter { optional string name = 1; optional WarpParameter warp_param = 147; optional ReLUParameter relu_param = 123; }
message WarpParameter { optional int32 grid = 1; }
message ReLUParameter { optional float ceiling = 8; }
`)
	write(t, net, `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" relu_param { ceiling: 6 } }
`)
	warp := filepath.Join(dir, "warp.prototxt")
	write(t, warp, `layer { name: "warp" type: "Qwertz" top: "warp" warp_param { grid: 3 } }
`)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no proto", []string{"check", net}, 1, net + `:2:75: layer "relu": unknown field "ceiling" of ReLUParameter`},
		{"proto", []string{"check", "--proto", fork, net}, 1,
			net + `:2:84: layer "relu": relu_param.ceiling is a field of ` + fork + ` alone and not implemented: --ignore-unknown-fields computes without it`},
		{"ignored", []string{"check", "--proto", fork, "--ignore-unknown-fields", net}, 0, ""},
		{"one dash, before the command", []string{"-proto=" + fork, "-ignore_unknown_fields", "check", net}, 0, ""},
		{"ignored, no proto", []string{"check", "--ignore-unknown-fields", net}, 0, ""},
		{"no proto again", []string{"check", net}, 1, `unknown field "ceiling" of ReLUParameter`},
		{"layer, no proto", []string{"check", warp}, 1, warp + `:1:49: layer "warp": unknown field "warp_param" of LayerParameter`},
		{"layer", []string{"check", "--proto", fork, warp}, 1, warp + `:1:28: layer "warp": gocaffe has no layer type "Qwertz" (`},
		{"absent", []string{"check", "--proto", fork + "x", net}, 1, `gocaffe: --proto: "`},
		{"no .proto file", []string{"check", "--proto", net, net}, 1, "gocaffe: --proto: " + net + ":1:1: "},
	} {
		code, _, stderr := run(tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d with %q, want %d with %q", tt.name, code, stderr, tt.code, tt.want)
		}
	}
}

const conflictVar = "GOCAFFE_TEST_CONFLICT"

func init() {
	if os.Getenv(conflictVar) == "" {
		return
	}
	for range 2 {
		layers.Register(layers.Info{
			Type: "Conflict",
			New:  func(*layers.Spec) (layers.Layer, error) { return nil, fmt.Errorf("is made for the test only") },
		})
	}
}

// TestConflictingPlugins runs a program whose plugins do not go together. It
// must say so in one line, whatever it is asked for.
func TestConflictingPlugins(t *testing.T) {
	if os.Getenv(conflictVar) != "" {
		code, stdout, stderr := run("version")
		fmt.Printf("code %d\n%s%s", code, stdout, stderr)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestConflictingPlugins$")
	cmd.Env = append(os.Environ(), conflictVar+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := `code 1` + "\n" + `gocaffe: layer type "Conflict" is registered twice: by package github.com/gocaffe/gocaffe/cmd (`
	if !strings.HasPrefix(string(out), want) || strings.Contains(string(out), "goroutine") {
		t.Errorf("got %s, want %s", out, want)
	}
}
