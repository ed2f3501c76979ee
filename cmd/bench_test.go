package gocaffecmd

import (
	"encoding/json"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
)

// TestBenchJSON holds operations and bytes of LeNet against numbers worked out
// by hand.
func TestBenchJSON(t *testing.T) {
	out, _ := mustRun(t, "bench", "lenet", "--batch", "4", "--iterations", "1", "--layers", "--format", "json", "--threads", "2")
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Nets) != 1 || r.Nets[0].Net != "lenet" || r.Nets[0].Batch != 4 || r.Threads != 2 || r.CPU == "" {
		t.Fatalf("the report is not of lenet, batch 4, 2 threads: %s", out)
	}
	b := r.Nets[0]
	if !(b.UpdateMilliseconds > 0 && b.UpdateMilliseconds < b.Milliseconds) {
		t.Errorf("the update takes %g of %g ms", b.UpdateMilliseconds, b.Milliseconds)
	}
	// conv1 20·24²·25, conv2 50·8²·20·25, ip1 500·800 and ip2 10·500
	// multiply-adds, three times each but for the gradient of the image.
	const conv1 = 20 * 24 * 24 * 25
	const all = 3*(conv1+50*8*8*20*25+500*800+10*500) - conv1
	sameNumber(t, "GFLOP of an iteration", b.GFlops*b.Milliseconds/1e3, 2*4*all/1e9)
	const image, top, weights = 4 * 4 * 28 * 28, 4 * 4 * 20 * 24 * 24, 4 * (20*25 + 20)
	const all4 = 4 * (20*25 + 20 + 50*20*25 + 50 + 500*800 + 500 + 10*500 + 10)
	want := map[string][2]float64{ // operations, bytes
		"conv1 forward":   {2 * 4 * conv1, image + weights + top},
		"conv1 backward":  {2 * 4 * conv1, top + image + 2*weights}, // no gradient of the image
		"pool1 forward":   {0, top + top/4},
		"pool1 backward":  {0, top/4 + top},
		"relu1 backward":  {0, 3 * 4 * 4 * 500}, // reads gradient and data, writes the gradient
		"(solver) update": {0, 5 * all4},
	}
	for _, l := range b.Layers {
		name := l.Layer + " " + l.Pass
		if w, ok := want[name]; ok {
			delete(want, name)
			sameNumber(t, name+": operations", l.GFlops*l.Milliseconds*1e6, w[0])
			sameNumber(t, name+": bytes", l.GBytes*l.Milliseconds*1e6, w[1])
		}
		if name == "mnist backward" {
			t.Error("the data layer has a backward pass")
		}
	}
	for name := range want {
		t.Errorf("there is no line %q", name)
	}
}

// TestBenchGPU times a file and the zoo's net that it was made of on the fake GPU,
// whose peak is that of 4 multiprocessors of 64 lanes.
func TestBenchGPU(t *testing.T) {
	cudatest.Fake(t)
	dir := t.TempDir()
	mustRun(t, "zoo", "write", "lenet", dir)
	out, _ := mustRun(t, "bench", "lenet", filepath.Join(dir, "lenet_train_test.prototxt"), "--gpu", "0",
		"--batch", "2", "--input-shape", "1,28,28", "--iterations", "1", "--format", "json")
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.CPU != cpu.Name() || r.L2 != max(0, cpu.L2()) || r.L3 != max(0, cpu.L3()) {
		t.Errorf("the report is of processor %q with caches of %d and %d bytes", r.CPU, r.L2, r.L3)
	}
	if r.GPU != "Fake device 0" || len(r.Nets) != 2 || r.Nets[1].Net != "lenet_train_test" {
		t.Fatalf("the report is not of two nets on the fake GPU: %s", out)
	}
	zoo, file := r.Nets[0], r.Nets[1]
	sameNumber(t, "GFLOP of an iteration", file.GFlops*file.Milliseconds, zoo.GFlops*zoo.Milliseconds)
	sameNumber(t, "peak", zoo.PeakGFlops, 4*64*2*1.41)

	var history strings.Builder
	if err := writeBenchHistory(&history, &r); err != nil {
		t.Fatal(err)
	}
	if want := "| Fake device 0 | lenet, batch 2 | "; strings.Count(history.String(), want) != 1 || strings.Contains(history.String(), r.CPU) {
		t.Errorf("the history is\n%swant a line with %q, and not the processor", &history, want)
	}
}

// sameNumber compares with the precision of a quotient that is multiplied again.
func sameNumber(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

func TestBenchFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": `(?s)^2 threads, kernels for \w+\n.*\n +net +batch .*\n +lenet +2 .*lenet, batch 2: .*` +
			`\n +conv1 +Convolution +forward .*\n +\(solver\) +SGD +update .*\n\nby type: (\w+ [\d.]+ %, ){6}\w+ [\d.]+ %\n$`,
		"go": `(?m)^BenchmarkTrain/net=lenet/batch=2-2 1 \d+ ns/op [\d.]+ images/s [\d.]+ GFLOP/s [\d.]+ %peak$\n` +
			`^(BenchmarkLayer/net=lenet/batch=2/layer=[^/ ]+/pass=(forward|backward|update)-2 1 \d+ ns/op [\d.]+ GB/s\n)+\z`,
		"history": `^\| 20\d\d-\d\d-\d\d \| .* \| .* \| lenet, batch 2, 2 threads \| [\d.]+ ms \| \d+ % of \d+ GFLOP/s \| \|\n$`,
	} {
		out, _ := mustRun(t, "bench", "lenet", "--batch", "2", "--iterations", "1", "--layers", "--format", format, "--threads", "2")
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("--format %s prints\n%swant\n%s", format, out, want)
		}
	}
}

func TestBenchErrors(t *testing.T) {
	for args, want := range map[string]string{
		"bench net.prototxt --batch 2":   "net.prototxt: a .prototxt file needs --input-shape and --batch",
		"bench alexnat":                  `no net "alexnat" in the zoo`,
		"bench lenet --format xml":       `--format is "xml", want one of: go, history, json, table`,
		"bench lenet --iterations 0":     "--iterations is 0",
		"bench lenet --batch -1":         "--batch -1",
		"bench lenet alexnot --batch 16": `no net "alexnot"`,
	} {
		if code, _, stderr := run(strings.Fields(args)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q", args, code, stderr, want)
		}
	}
}

// TestBenchFileErrors finds the position of an error in a net's file.
func TestBenchFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.prototxt")
	write(t, path, "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { kernel_size: 2 } }")
	code, _, stderr := run("bench", path, "--input-shape", "3,5", "--batch", "2")
	if want := path + `:1:43: layer "p": bottom "data" is not the top of any layer above`; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %q, want %q", code, stderr, want)
	}
}

// TestBenchChain finds layers that run together in one line, with the bytes of
// one pass.
func TestBenchChain(t *testing.T) {
	out, _ := mustRun(t, "bench", "liunet-digits", "--batch", "2", "--iterations", "1", "--layers", "--format", "json", "--threads", "1")
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	const x, channels = 4 * 2 * 16 * 28 * 28, 4 * 16
	const params = 4*channels + 4 // mean, variance and their factor; scale and shift
	found := 0
	for _, l := range r.Nets[0].Layers {
		switch l.Layer + " " + l.Pass {
		case "conv0_bn forward":
			found++
			sameNumber(t, "forward: bytes", l.GBytes*l.Milliseconds*1e6, x+params) // the next convolution computes the top
		case "conv1_3_bn forward":
			found++
			sameNumber(t, "forward, read by Pooling: bytes", l.GBytes*l.Milliseconds*1e6, x+params) // which computes the top as well
		case "conv0_bn backward":
			found++
			sameNumber(t, "backward: bytes", l.GBytes*l.Milliseconds*1e6, 3*x+params+2*2*channels)
		default:
			if l.Layer == "conv0_scale" || l.Layer == "conv0_relu" {
				t.Errorf("%s, which runs in another layer, has a line of its own", l.Layer)
			}
			continue
		}
		if l.Type != "BatchNorm+Scale+ReLU" {
			t.Errorf("the type of %s is %q", l.Layer, l.Type)
		}
	}
	if found != 3 {
		t.Errorf("conv0_bn and conv1_3_bn have %d of the lines, want 3: %s", found, out)
	}
}

// TestBenchResidual has a chain that adds a blob and whose top has two readers.
func TestBenchResidual(t *testing.T) {
	dir := t.TempDir()
	conv := "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: 'msra' } }"
	writeFiles(t, dir, map[string]string{"net.prototxt": `layer { name: 'data' type: 'Data' top: 'data' top: 'label' data_param { source: 'x' batch_size: 2 } }
		layer { name: 'x' bottom: 'data' top: 'x' ` + conv + ` }
		layer { name: 'c' bottom: 'x' top: 'c' ` + conv + ` }
		layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' }
		layer { name: 'y' type: 'Eltwise' bottom: 'x' bottom: 'c' top: 'y' }
		layer { name: 'relu' type: 'ReLU' bottom: 'y' top: 'y' }
		layer { name: 'd' bottom: 'y' top: 'd' ` + conv + ` }
		layer { name: 'z' type: 'Eltwise' bottom: 'y' bottom: 'd' top: 'z' }
		layer { name: 'ip' type: 'InnerProduct' bottom: 'z' top: 'ip' inner_product_param { num_output: 3 } }
		layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' }`})
	out, _ := mustRun(t, "bench", filepath.Join(dir, "net.prototxt"), "--input-shape", "3,5,6", "--batch", "2", "--iterations", "1", "--layers", "--format", "json", "--threads", "1")
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	const blob, params = 4 * 2 * 4 * 5 * 6, 4 * (4 + 4 + 1)
	want := map[string]float64{"forward": 3*blob + params, "backward": 6*blob + params}
	for _, l := range r.Nets[0].Layers {
		if l.Layer == "bn" && l.Type == "BatchNorm+Eltwise+ReLU+Split" {
			sameNumber(t, l.Pass+": bytes", l.GBytes*l.Milliseconds*1e6, want[l.Pass])
			delete(want, l.Pass)
		}
	}
	if len(want) > 0 {
		t.Errorf("no line for %v: %s", want, out)
	}
}
