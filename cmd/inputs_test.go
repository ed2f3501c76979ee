package gocaffecmd

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// inputNet is a net for inference, of an Input layer with one small image.
const inputNet = `
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }`

// TestInputShapes gives the Input of a net a shape and a batch size in every command that
// takes them.
func TestInputShapes(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", inputNet)
	write(t, "fields.prototxt", strings.Replace(inputNet, `layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }`,
		"input: \"data\" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8", 1))
	for _, file := range []string{"net.prototxt", "fields.prototxt"} {
		for _, tt := range []struct {
			args []string
			want string
		}{
			{[]string{"check", file}, "5x4x12x10 "},
			{[]string{"summarize", file}, "5x4x12x10 "},
			{[]string{"time", "--model", file, "--phase", "TEST", "--synthetic-data", "--iterations", "1"}, "Top shape: 5 4 12 10 (2400)"},
			{[]string{"time", "--model", file, "--synthetic-data", "--iterations", "1"}, "Top shape: 5 4 12 10 (2400)"},
		} {
			stdout, stderr := mustRun(t, append(tt.args, "--input-shape", "3,12,10", "--batch", "5")...)
			if !strings.Contains(stdout+stderr, tt.want) {
				t.Errorf("%v: %q is not in\n%s%s", tt.args, tt.want, stdout, stderr)
			}
		}
	}
	mustRun(t, "draw", "net.prototxt", "net.dot", "--input-shape", "data=3,12,10", "--batch", "5")
	if dot := readFile(t, "net.dot"); !strings.Contains(dot, "5x4x12x10") {
		t.Errorf("draw: 5x4x12x10 is not in\n%s", dot)
	}
	write(t, "ip.prototxt", strings.Replace(inputNet, `type: "Convolution"`, `type: "InnerProduct" inner_product_param { num_output: 4 }`, 1))
	out, _ := mustRun(t, "weights", "--init", "ip.prototxt", "--input-shape", "3,12,10")
	if !strings.Contains(out, "4x360") {
		t.Errorf("weights --init: 4x360 is not in\n%s", out)
	}
}

// TestInputShapesRefuses has nets whose layers take no shape from outside.
func TestInputShapesRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", inputNet)
	write(t, "dummy.prototxt", strings.Replace(strings.Replace(inputNet, "Input", "DummyData", 1), "input_param", "dummy_data_param", 1))
	for _, args := range [][]string{
		{"check", "dummy.prototxt"}, {"summarize", "dummy.prototxt"}, {"draw", "dummy.prototxt", "net.svg"},
		{"time", "--model", "dummy.prototxt", "--synthetic-data"}, {"bench", "dummy.prototxt"},
	} {
		code, _, stderr := run(append(args, "--input-shape", "3,12,10", "--batch", "5")...)
		if want := `dummy.prototxt:2:1: layer "in": the input shape [3 12 10] and the batch size 5 `; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d and %s, want %s", args, code, stderr, want)
		}
	}
	for args, want := range map[string]string{
		"check net.prototxt --input-shape dada=3,12,10": "the input shape dada=[3 12 10] is for no layer",
		"check net.prototxt --input-shape conv=3,12,10": `layer "conv": the input shape conv=[3 12 10] is for data layers`,
		"bench lenet --input-shape 3,12,10":             "--input-shape is for .prototxt files",
	} {
		if code, _, stderr := run(strings.Fields(args)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d and %s, want %s", args, code, stderr, want)
		}
	}
	if _, err := os.Stat("net.svg"); err == nil {
		t.Error("draw has written a file")
	}
}

// TestBenchInput times the forward pass of a net with an Input and no loss, for the shape
// and the batch size of the flags.
func TestBenchInput(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", inputNet)
	args := []string{"bench", "net.prototxt", "--input-shape", "3,12,10", "--batch", "5", "--iterations", "1", "--layers", "--format"}
	out, _ := mustRun(t, append(args, "json")...)
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	b := r.Nets[0]
	if b.Batch != 5 || !b.ForwardOnly || b.UpdateMilliseconds != 0 {
		t.Errorf("batch %d, forward only: %v, %g ms of update", b.Batch, b.ForwardOnly, b.UpdateMilliseconds)
	}
	sameNumber(t, "images", b.ImagesPerSecond*b.Milliseconds/1000, 5)
	sameNumber(t, "GFLOP", b.GFlops*b.Milliseconds/1000, 2*5*4*12*10*3*9/1e9)
	for _, l := range b.Layers {
		if l.Pass != "forward" {
			t.Errorf("%s has a line for its %s pass", l.Layer, l.Pass)
		}
	}
	for format, want := range map[string]string{
		"table": "\nnet has no loss: its iterations are forward passes.\n", "go": "\nBenchmarkForward/net=net/batch=5-", "history": "| net forward, batch 5, ",
	} {
		if out, _ := mustRun(t, append(args, format)...); !strings.Contains(out, want) {
			t.Errorf("--format %s: %q is not in\n%s", format, want, out)
		}
	}
}
