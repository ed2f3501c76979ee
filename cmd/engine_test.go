package gocaffecmd

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// engineNet computes a convolution twice, the first time with engine: CAFFE, and the sum
// of the distances of the two.
const engineNet = `
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 2 dim: 16 dim: 12 dim: 12 } data_filler { type: "gaussian" } } }
layer { name: "direct" type: "Convolution" bottom: "data" top: "direct" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 engine: CAFFE weight_filler { type: "xavier" } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 ENGINE } }
layer { name: "difference" type: "Eltwise" bottom: "direct" bottom: "conv" top: "difference" eltwise_param { coeff: 1 coeff: -1 } }
layer { name: "distance" type: "Reduction" bottom: "difference" top: "distance" loss_weight: 1 reduction_param { operation: ASUM } }
`

// TestEngine checks that --engine caffe computes convolutions as engine: CAFFE does, to the
// last bit, and that without it a layer with another engine or none does not.
func TestEngine(t *testing.T) {
	logFolder(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, engine := range []string{"", "engine: CUDNN"} {
		write("net.prototxt", strings.ReplaceAll(engineNet, "ENGINE", engine))
		write("solver.prototxt", `net: "net.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 display: 1 random_seed: 1 snapshot_prefix: "engine"`)
		for _, tt := range []struct {
			flags []string
			exact bool
		}{{nil, false}, {[]string{"--engine", "default"}, false}, {[]string{"--engine", "caffe"}, true}} {
			check := func(command, output string) {
				t.Helper()
				if exact := strings.Contains(output, "distance = 0 "); exact != tt.exact || !strings.Contains(output, "distance = ") {
					t.Errorf("%s with %q, %q: want both convolutions to be equal: %v\n%s", command, engine, tt.flags, tt.exact, output)
				}
			}
			_, log := mustRun(t, append([]string{"train", "--solver", "solver.prototxt"}, tt.flags...)...)
			check("train", log)
			_, log = mustRun(t, append([]string{"test", "--model", "net.prototxt", "--weights", "engine_iter_1.caffemodel", "--iterations", "1"}, tt.flags...)...)
			check("test", log)
			mustRun(t, append([]string{"extract-features", "--model", "net.prototxt", "--weights", "engine_iter_1.caffemodel",
				"--blobs", "difference", "--iterations", "1", "-o", "difference.csv", "--force"}, tt.flags...)...)
			zero := true
			for _, row := range readCSV(t, "difference.csv")[1:] {
				for _, cell := range row[1:] {
					zero = zero && strings.TrimLeft(cell, "-") == "0"
				}
			}
			if zero != tt.exact {
				t.Errorf("extract-features with %q, %q: both convolutions are equal: %v, want %v", engine, tt.flags, zero, tt.exact)
			}
		}
	}
}

// TestEngineFlag checks that every command that can compute on a GPU has --engine, and that
// a wrong engine is an error.
func TestEngineFlag(t *testing.T) {
	commands := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Flags().Lookup("math") != nil {
			commands++
			if c.Flags().Lookup("engine") == nil {
				t.Errorf("gocaffe %s has no flag --engine", c.Name())
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(Command())
	if commands < 8 {
		t.Errorf("%d commands run nets, want at least 8", commands)
	}
	code, _, stderr := run("time", "--model", "net.prototxt", "--engine", "cudnn")
	if code != 1 || !strings.Contains(stderr, `"cudnn"`) || !strings.Contains(stderr, "want default or caffe") {
		t.Errorf("--engine cudnn: exit code %d, %s", code, stderr)
	}
}
