package python_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/numpytest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// usePython lets layers run with a Python that has NumPy and finds testdata.
func usePython(t testing.TB) {
	t.Helper()
	t.Setenv("GOCAFFE_PYTHON", numpytest.Python(t))
	t.Setenv("PYTHONPATH", "testdata")
}

const euclidean = `layer { name: "loss" type: "Python" bottom: "x" bottom: "y" top: "loss" loss_weight: 1
	python_param { module: "losses" layer: "Euclidean" } }`

// TestGolden compares a Euclidean loss in Python with the values that Caffe has computed
// for its own.
func TestGolden(t *testing.T) {
	usePython(t)
	golden := reference.GoldenFS(t, "layers")
	cases := make(fstest.MapFS)
	err := fs.WalkDir(golden, "EuclideanLoss", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(golden, path)
		if strings.HasSuffix(path, "net.prototxt") {
			text := strings.Replace(string(data), `type: "EuclideanLoss"`, `type: "Python" python_param { module: "losses" layer: "EuclideanScalar" }`, 1)
			if !strings.Contains(text, "loss_weight") {
				text = strings.Replace(text, `top: "top0"`, `top: "top0" loss_weight: 1`, 1)
			}
			data = []byte(text)
		}
		cases["Python/"+strings.TrimPrefix(path, "EuclideanLoss/")] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if counts := layertest.Golden(t, cases); counts.Passed["Python"] < 4 && !t.Failed() {
		t.Errorf("%v, want 4 cases or more", counts)
	}
}

func TestGradient(t *testing.T) {
	usePython(t)
	x := func(seed uint64) *blob.Blob { return layertest.Gaussian(seed, 3, 4, 2) }
	for text, f := range map[string]*layertest.Fixture{
		"loss": layertest.New(t, euclidean, x(1), x(2)),
		"weights": layertest.New(t, `layer { name: "s" type: "Python" bottom: "x" top: "y"
			python_param { module: "losses" layer: "Scaled" param_str: "1.5" } }`, x(3)),
		"in place": layertest.New(t, `layer { name: "d" type: "Python" bottom: "x" top: "x" python_param { module: "losses" layer: "Double" } }`, x(4)),
	} {
		t.Run(text, func(t *testing.T) {
			defer f.Close()
			layertest.CheckGradient(t, f, layertest.GradientOptions{})
		})
	}
}

func TestAllocs(t *testing.T) {
	usePython(t)
	layertest.CheckAllocs(t, euclidean, layertest.Gaussian(1, 3, 4), layertest.Gaussian(2, 3, 4))
}

// pythonNet has a data layer, a layer with weights, one in place and a loss, all in
// Python, around a layer with a version for GPUs.
const pythonNet = `
	layer { name: "data" type: "Python" top: "data" top: "label"
		python_param { module: "data" layer: "ListData" param_str: '{"batch": 4, "source": "testdata/list.txt"}' } }
	layer { name: "scaled" type: "Python" bottom: "data" top: "scaled" python_param { module: "losses" layer: "Scaled" param_str: "0.5" } }
	layer { name: "ip" type: "InnerProduct" bottom: "scaled" top: "ip" inner_product_param { num_output: 1 weight_filler { type: "gaussian" } } }
	layer { name: "double" type: "Python" bottom: "ip" top: "ip" python_param { module: "losses" layer: "Double" } }
	layer { name: "loss" type: "Python" bottom: "ip" bottom: "label" top: "loss" loss_weight: 1 python_param { module: "losses" layer: "Euclidean" } }`

func build(t testing.TB, text string, opts net.Options) *net.Net {
	t.Helper()
	file, err := prototxt.ParseNet("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// numbers returns what three passes of a net compute.
func numbers(t *testing.T, text string, opts net.Options) string {
	t.Helper()
	n := build(t, text, opts)
	defer n.Close()
	var all strings.Builder
	for range 3 {
		if err := n.ClearParamDiffs(); err != nil {
			t.Fatal(err)
		}
		loss, err := n.Forward(t.Context())
		if err == nil {
			err = n.Backward(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, "loss", loss)
		for _, p := range n.Params() {
			fmt.Fprintln(&all, p.Layer, p.Index, p.Blob.Data(), p.Blob.Diff())
		}
		for _, o := range n.Outputs() {
			fmt.Fprintln(&all, o.Name, o.Blob.Shape(), o.Blob.Data())
		}
	}
	return all.String()
}

// TestDevice checks that the blobs of Python layers move between host and GPU: a net
// computes the same on both: of these numbers all products and sums are exact.
func TestDevice(t *testing.T) {
	usePython(t)
	layertest.Checked(t, "Python", layertest.Device)
	device := cudatest.Device(t)
	for name, text := range map[string]string{"all kinds": pythonNet, "shapes that change": proposals} {
		text = strings.Replace(text, `weight_filler { type: "gaussian" }`, `weight_filler { type: "constant" value: 0.5 }`, 1)
		host := numbers(t, text, net.Options{Seed: 1})
		if got := numbers(t, text, net.Options{Seed: 1, Device: device}); got != host {
			t.Errorf("%s: a net computes\n%s\non the GPU and\n%s\non the host", name, got, host)
		}
	}
}

// TestNet checks that nets with and without shared memory compute the same with Python
// layers, and that weights get their gradient.
func TestNet(t *testing.T) {
	usePython(t)
	want := numbers(t, pythonNet, net.Options{Seed: 1})
	if got := numbers(t, pythonNet, net.Options{Seed: 1, Memory: new(net.Memory)}); got != want {
		t.Errorf("with shared memory a net computes\n%s\nwithout\n%s", got, want)
	}
	if !regexp.MustCompile(`scaled 1 \[0\] \[-?[0-9.]+`).MatchString(want) {
		t.Errorf("no weights of layer scaled in\n%s", want)
	}
}

// proposals has a layer whose top has another number of rows in each pass.
const proposals = `
	layer { name: "data" type: "Python" top: "data" top: "label"
		python_param { module: "data" layer: "ListData" param_str: '{"batch": 4, "source": "testdata/list.txt"}' } }
	layer { name: "keep" type: "Python" bottom: "data" top: "rows" propagate_down: false
		python_param { module: "data" layer: "Proposals" param_str: "1.5" } }
	layer { name: "ip" type: "InnerProduct" bottom: "rows" top: "ip"
		inner_product_param { num_output: 2 weight_filler { type: "constant" value: 1 } } }
	layer { name: "silence" type: "Silence" bottom: "label" }`

// TestChangingShapes checks that the layers after a Python layer follow its shapes. The
// list is 1 2, 2 1, 3 0, 0 4, 5 1, 2 2 and 1 2.
func TestChangingShapes(t *testing.T) {
	usePython(t)
	for name, memory := range map[string]*net.Memory{"own": nil, "shared": new(net.Memory)} {
		n := build(t, proposals, net.Options{Memory: memory})
		for pass, want := range []string{
			"[2 2] [4 4 5 5]",     // 2 1 in row 1 and 3 0 in row 2
			"[2 2] [6 6 5 5]",     // 5 1 in row 0 and 2 2 in row 1
			"[3 2] [3 3 4 4 9 9]", // 2 1 in row 0, 3 0 in row 1 and 5 1 in row 3
		} {
			if _, err := n.Forward(t.Context()); err != nil {
				t.Fatal(err)
			}
			ip := n.Blob("ip")
			if got := fmt.Sprint(ip.Shape(), " ", ip.Data()); got != want {
				t.Errorf("%s memory: in pass %d ip is %s, want %s", name, pass, got, want)
			}
		}
		n.Close()
	}
}

// TestLossOfAnotherSize checks that all elements of a loss have its weight, however many
// it has in a pass.
func TestLossOfAnotherSize(t *testing.T) {
	usePython(t)
	text, _, _ := strings.Cut(strings.Replace(proposals, "propagate_down: false", "propagate_down: false loss_weight: 2", 1), `layer { name: "ip"`)
	n := build(t, text, net.Options{})
	for pass, want := range []float32{18, 22, 32} { // see TestChangingShapes
		if loss, err := n.Forward(t.Context()); err != nil || loss != want {
			t.Errorf("pass %d: the loss is %g (error %v), want %g", pass, loss, err, want)
		}
	}
}

// TestReshapeCount checks that reshape is called as often as in Caffe, once when the net
// is built and once before each forward, and that it finds the data of the pass, with
// other shapes too.
func TestReshapeCount(t *testing.T) {
	usePython(t)
	n := build(t, `layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
		layer { name: "c" type: "Python" bottom: "x" top: "c" python_param { module: "count" layer: "Count" } }`, net.Options{})
	for pass, want := range []float32{2, 3, 4} {
		x := n.Blob("x")
		if err := x.Reshape(2 + pass/2); err != nil {
			t.Fatal(err)
		}
		copy(x.MutableData(), []float32{1, 1, 1})
		if _, err := n.Forward(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := n.Blob("c").Data(); !slices.Equal(got, []float32{want, float32(2 + pass/2)}) {
			t.Errorf("pass %d: reshape has run %g times, and has seen bottoms with the sum %g; want %g and %d", pass, got[0], got[1], want, 2+pass/2)
		}
	}
}

// TestZeroSizes sets each axis of the bottoms to 0: there is an error and no panic, or
// the layer works.
func TestZeroSizes(t *testing.T) {
	usePython(t)
	for _, shape := range [][]int{{0, 3}, {2, 0}, {0, 0}} {
		f := layertest.New(t, `layer { name: "s" type: "Python" bottom: "x" top: "y" python_param { module: "losses" layer: "Scaled" } }`,
			layertest.Gaussian(1, shape...))
		for range 2 {
			if err := f.Forward(); err != nil {
				t.Fatalf("%v: %v", shape, err)
			}
			if err := f.Backward(); err != nil {
				t.Fatalf("%v: %v", shape, err)
			}
		}
		f.Close()
	}
}

const modules = `layer { name: "m" type: "Python" bottom: "x" top: "state" top: "sum" phase: TEST
	python_param { module: "modules" layer: "Modules" param_str: "it's \303\274" } }`

// TestModules runs a layer that checks the module caffe, and two in one process, which
// ends with the last.
func TestModules(t *testing.T) {
	usePython(t)
	x := layertest.Values(slices.Repeat([]float32{1}, 24), 2, 3, 4)
	var pids []float32
	for i := range 2 {
		f := layertest.New(t, modules, x)
		defer f.Close()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		state := f.Top[0].Data()
		if state[0] != float32(i+1) || f.Top[1].Data()[0] != 24 || f.Top[1].Axes() != 0 {
			t.Errorf("layer %d: %g layers and a sum of %g with %d axes, want %d, 24 and 0", i, state[0], f.Top[1].Data()[0], f.Top[1].Axes(), i+1)
		}
		pids = append(pids, state[1])
	}
	if pids[0] != pids[1] {
		t.Errorf("the layers are in processes %g, want one", pids)
	}
}

// TestOutput checks that what layers print arrives as events, and that it does not
// disturb the calls.
func TestOutput(t *testing.T) {
	usePython(t)
	var text strings.Builder
	observer := event.Func(func(e any) {
		if out, ok := e.(*layers.ProgramOutput); ok {
			text.Write(out.Text)
		}
	})
	n := build(t, pythonNet, net.Options{Observer: observer})
	n.Close()
	if want := "7 items for phase 1\n"; text.String() != want {
		t.Errorf("got the output %q, want %q", text.String(), want)
	}
}

// TestResumeNote checks that a data layer notes that a resumed run has not its state.
func TestResumeNote(t *testing.T) {
	usePython(t)
	for _, pass := range []int64{0, 5} {
		var notes []string
		f, err := layertest.SetUp(&layers.Env{Observer: event.Func(func(e any) {
			if note, ok := e.(*event.Note); ok {
				notes = append(notes, note.Text)
			}
		})}, strings.SplitAfter(pythonNet, "} }\n")[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(2) {
			f.Spec.Env.Pass = pass + i
			if err := f.Layer.Forward(context.Background(), f.Bottom, f.Top); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		if want := int(min(pass, 1)); len(notes) != want {
			t.Errorf("training that begins at pass %d gives the notes %q, want %d", pass, notes, want)
		}
	}
}

// TestWorkingDirectory checks that modules are found in the working directory, and that
// another module named caffe does not hide gocaffe's.
func TestWorkingDirectory(t *testing.T) {
	usePython(t)
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/losses.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"mine.py": string(text), "caffe.py": "raise Exception('another caffe')"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", dir) // for the other caffe
	t.Chdir(dir)
	f := layertest.New(t, strings.Replace(euclidean, "losses", "mine", 1), layertest.Gaussian(1, 2, 3), layertest.Gaussian(2, 2, 3))
	defer f.Close()
	if err := f.Forward(); err != nil {
		t.Error(err)
	}
}
