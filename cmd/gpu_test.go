package gocaffecmd

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// gpuNet and gpuSolver are a net on made-up data and its solver.
const gpuNet = `name: "small"
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 8 dim: 1 dim: 6 dim: 6 } shape { dim: 8 } data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

func writeGPUFiles(t *testing.T, more string) (net, solver string) {
	t.Helper()
	dir := t.TempDir()
	net, solver = filepath.Join(dir, "net.prototxt"), filepath.Join(dir, "solver.prototxt")
	for file, text := range map[string]string{
		net: gpuNet,
		solver: `net: "` + net + `" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 max_iter: 12 display: 5 random_seed: 1
			test_iter: 2 test_interval: 6 snapshot_prefix: "` + filepath.Join(dir, "snap") + `" ` + more,
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return net, solver
}

// results are the lines of a log with numbers of the net.
var results = regexp.MustCompile(`(?m)(net output.*|loss = .*)$`)

// TestGPU trains, tests and times on a GPU, and compares the log with that of the
// CPU.
func TestGPU(t *testing.T) {
	net, solver := writeGPUFiles(t, "")
	_, cpu := mustRun(t, "train", "--solver", solver)
	cudatest.Fake(t)
	_, gpu := mustRun(t, "train", "--solver", solver, "--gpu", "0")
	want, got := results.FindAllString(cpu, -1), results.FindAllString(gpu, -1)
	if len(want) < 8 || strings.Join(want, "\n") != strings.Join(got, "\n") {
		t.Errorf("on a GPU the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, line := range []string{"caffe.cpp:214] Using GPUs 0", "caffe.cpp:218] GPU 0: Fake device 0", "] Products of matrices by gocaffe's kernels: cublas: not found: GOCAFFE_LIBCUBLAS is none"} {
		if !strings.Contains(gpu, line) {
			t.Errorf("the log does not say %q", line)
		}
	}
	weights := strings.TrimSuffix(solver, "solver.prototxt") + "snap_iter_12.caffemodel"
	mustRun(t, "test", "--model", net, "--weights", weights, "--iterations", "2", "--gpu", "0")
	_, log := mustRun(t, "time", "--model", net, "--iterations", "2", "--gpu", "0")
	if !strings.Contains(log, "Average Forward-Backward") {
		t.Errorf("time says\n%s", log)
	}
	// solver_mode chooses the GPU too.
	_, solver = writeGPUFiles(t, "solver_mode: GPU")
	if _, log := mustRun(t, "train", "--solver", solver); !strings.Contains(log, "Using GPUs 0") {
		t.Error("solver_mode: GPU does not choose the GPU")
	}
}

// TestMath trains, tests and times with products on tensor cores: the results are near
// those of float32 and not the same. It checks what is said where --math cannot be.
func TestMath(t *testing.T) {
	net, solver := writeGPUFiles(t, "")
	fake := cudatest.Fake(t)
	last := func(math string) float64 {
		_, log := mustRun(t, "train", "--solver", solver, "--gpu", "0", "--math", math)
		lines := regexp.MustCompile(`, loss = (\S+)`).FindAllStringSubmatch(log, -1)
		if len(lines) == 0 {
			t.Fatalf("no loss in\n%s", log)
		}
		loss, err := strconv.ParseFloat(lines[len(lines)-1][1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	want := last("fp32")
	for _, precision := range []string{"tf32", "bf16"} {
		if got := last(precision); got == want || math.Abs(got-want) > 0.02*want {
			t.Errorf("the loss in %s is %v, in fp32 %v", precision, got, want)
		}
	}
	weights := strings.TrimSuffix(solver, "solver.prototxt") + "snap_iter_12.caffemodel"
	test := []string{"test", "--model", net, "--weights", weights, "--iterations", "2"}
	mustRun(t, append(test, "--gpu", "0", "--math", "tf32")...)
	mustRun(t, "time", "--model", net, "--iterations", "2", "--gpu", "0", "--math", "bf16")

	_, byFile := writeGPUFiles(t, "solver_mode: GPU")
	mustRun(t, "train", "--solver", byFile, "--math", "tf32")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"train", "--solver", solver, "--gpu", "0", "--math", "fp16"}, `--math: unknown precision "fp16", want fp32, tf32 or bf16`},
		{[]string{"train", "--solver", byFile, "--math", ""}, `--math: unknown precision ""`},
		{[]string{"train", "--solver", solver, "--math", "tf32"}, `--math tf32 needs --gpu: the CPU computes in fp32 or bf16`},
		{append(test, "--math", "tf32"), `--math tf32 needs --gpu`},
		{[]string{"time", "--model", net, "--math", "tf32"}, `--math tf32 needs --gpu`},
	} {
		if code, _, stderr := run(c.args...); code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit status %d, stderr %q, want %q", c.args, code, stderr, c.want)
		}
	}
	fake.Set("capability=75")
	for _, file := range []string{solver, byFile} {
		args := []string{"train", "--solver", file, "--math", "tf32"}
		if file == solver {
			args = append(args, "--gpu", "0")
		}
		code, _, stderr := run(args...)
		if want := "compute capability 7.5, tensor cores support tf32 from 8.0"; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit status %d, stderr %q, want %q", args, code, stderr, want)
		}
	}
}

// TestNoGPU checks what is said without a driver: an error of --gpu, and that
// solver_mode: GPU falls back to the CPU.
func TestNoGPU(t *testing.T) {
	t.Setenv("GOCAFFE_LIBCUDA", filepath.Join(t.TempDir(), "libcuda.so.1"))
	_, solver := writeGPUFiles(t, "solver_mode: GPU")
	code, _, stderr := run("train", "--solver", solver, "--gpu", "0")
	if code != 1 || !strings.Contains(stderr, "--gpu 0: no CUDA driver: GOCAFFE_LIBCUDA names a file") ||
		!strings.Contains(stderr, "without --gpu, gocaffe computes on the CPU") {
		t.Errorf("exit status %d, stderr %q", code, stderr)
	}
	_, log := mustRun(t, "train", "--solver", solver)
	if !strings.Contains(log, "solver_mode is GPU; computing on the CPU: no CUDA driver") || !strings.Contains(log, "Use CPU.") {
		t.Errorf("the log is\n%s", log)
	}
}

// TestGPUErrors lets the driver fail in the midst of training: the program ends
// with what failed, and with the layer or the GPU.
func TestGPUErrors(t *testing.T) {
	_, solver := writeGPUFiles(t, "")
	for _, c := range []struct {
		settings string
		want     []string
	}{
		{"memory=3000", []string{`layer "`, "out of memory", "of 3000 are free"}},
		{"fail=cuLaunchKernel:9:719", []string{`layer "`, "kernel ", "cuLaunchKernel: a kernel failed"}},
		{"fail=cuModuleLoadDataEx:2:218", []string{`layer "`, "cuModuleLoadDataEx: the driver cannot compile the kernels"}},
		{"fail=cuGraphLaunch:1:700", []string{"cuGraphLaunch: a kernel read or wrote an illegal address"}},
		{"fail=cuStreamCreate:1:2", []string{"--gpu 0: GPU 0: cuStreamCreate: out of memory"}},
		{"capability=60", []string{"compute capability 6.0", "need 7.0"}},
	} {
		t.Run(c.settings, func(t *testing.T) {
			cudatest.Fake(t, c.settings)
			code, _, stderr := run("train", "--solver", solver, "--gpu", "0")
			message := stderr[strings.LastIndex(stderr, "gocaffe: ")+1:]
			for _, want := range c.want {
				if code != 1 || !strings.Contains(message, want) {
					t.Errorf("exit status %d, want 1 and %q:\n%s", code, want, message)
				}
			}
		})
	}
}
