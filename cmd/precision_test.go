package gocaffecmd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
)

// TestMathOnCPU checks that every command takes --math bf16 without a GPU, says what
// computes, and gets results near those of float32, but not the same.
func TestMathOnCPU(t *testing.T) {
	logFolder(t)
	for name, text := range map[string]string{
		"net.prototxt": `
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 2 dim: 16 dim: 12 dim: 12 } data_filler { type: "gaussian" } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 16 kernel_size: 3 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Reduction" bottom: "ip" top: "sum" loss_weight: 1 reduction_param { operation: SUMSQ } }`,
		"solver.prototxt": `net: "net.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 display: 1 random_seed: 1 snapshot_prefix: "run"`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	commands := [][]string{
		{"train", "--solver", "solver.prototxt"},
		{"test", "--model", "net.prototxt", "--weights", "run_iter_1.caffemodel", "--iterations", "1"},
		{"time", "--model", "net.prototxt", "--iterations", "1"},
	}
	if err := kernel.BF16.Supported(); err != nil {
		for _, args := range commands {
			if code, _, stderr := run(append(args, "--math", "bf16")...); code != 1 || !strings.Contains(stderr, err.Error()) {
				t.Errorf("%v: exit status %d, %s", args, code, stderr)
			}
		}
		return
	}
	said := "Products in bf16 by " + kernel.BF16.Variant() + ": in 1 of 2 layers, the others compute in fp32"
	const none = "No product in bf16: all 2 convolutions and inner products compute in fp32"
	sum := regexp.MustCompile(`sum = (\S+)`)
	for _, args := range commands {
		_, single := mustRun(t, args...)
		_, rounded := mustRun(t, append(args, "--math", "bf16")...)
		if !strings.Contains(rounded, said) || strings.Contains(single, said) {
			t.Errorf("%v: want %q in the log with --math bf16 only", args, said)
		}
		if _, direct := mustRun(t, append(args, "--math", "bf16", "--engine", "caffe")...); !strings.Contains(direct, none) || strings.Contains(direct, "Products in bf16") {
			t.Errorf("%v: want %q in the log with --engine caffe, got\n%s", args, none, direct)
		}
		if args[0] == "time" {
			continue
		}
		want, got := sum.FindStringSubmatch(single), sum.FindStringSubmatch(rounded)
		if want == nil || got == nil {
			t.Fatalf("%v: no sum in\n%s\n%s", args, single, rounded)
		}
		w, g := atof(t, want[1]), atof(t, got[1])
		if w == g || g < 0.97*w || g > 1.03*w {
			t.Errorf("%v: the sum is %v in bf16 and %v in fp32", args, g, w)
		}
	}
}
