package all

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// TestInfo checks that every plugin's documentation names its source and its options, of
// which layertest.Main demands that each is described.
func TestInfo(t *testing.T) {
	plugins := 0
	var infos []*layers.Info
	for _, typ := range layers.Types() {
		infos = append(infos, layers.Meanings(typ)...)
	}
	for _, info := range infos {
		typ := info.Type
		if info.Plugin == nil || info.AliasOf() != nil {
			continue
		}
		plugins++
		if !strings.Contains(info.Doc, "\n\nSource: ") {
			t.Errorf("%s: Doc does not name its source", typ)
		}
		if !strings.Contains(info.Doc, info.Plugin.Field+":\n") {
			t.Errorf("%s: Doc has no section %s", typ, info.Plugin.Field)
		}
	}
	if plugins < 12 {
		t.Errorf("%d types are from plugins, want at least 12", plugins)
	}
	if err := layers.Check(); err != nil {
		t.Error(err)
	}
}

// nets names the sample nets in testdata.
var nets = []string{"em_softmax", "lsoftmax", "sphereface", "caffe_face", "normface", "normface_parameter"}

// A run is a solver of a sample net, and the loss of its last iteration.
type run struct {
	*solver.Solver
	loss float64
}

// newRun returns a solver of a sample net. The inputs depend on the pass only:
// classes 0 to 2, and images with a bright stripe placed by class. edit may be nil.
func newRun(t *testing.T, name, dir string, edit func(text string) string) *run {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".prototxt"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name+".prototxt")
	if edit != nil {
		text = []byte(edit(string(text)))
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	file, err := prototxt.ParseSolver("solver.prototxt", fmt.Appendf(nil,
		`net: %q base_lr: 0.05 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed" random_seed: 3 snapshot_prefix: %q test_iter: 2 test_interval: 1000`,
		path, filepath.Join(dir, "snap")))
	if err != nil {
		t.Fatal(err)
	}
	r := new(run)
	r.Solver, err = solver.New(file, solver.Options{
		BeforeForward: feed,
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				r.loss = float64(e.Loss)
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func feed(n *net.Net, pass int64) error {
	data, label := n.Blob("data").MutableData(), n.Blob("label").MutableData()
	layers.NewRand(uint64(pass), n.Phase().String()).Gaussian(nil, 0, 0, 0.5, data)
	for i := range label {
		label[i] = float32((int(pass) + i*i) % 3)
		for k := range 6 {
			data[i*36+int(label[i])*12+k] += 2
		}
	}
	return nil
}

// step runs n iterations and returns their mean loss.
func (r *run) step(t *testing.T, n int) float64 {
	t.Helper()
	var sum float64
	for range n {
		if err := r.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		sum += r.loss
	}
	return sum / float64(n)
}

// numbers returns the weights and the values that depend on the layers' state.
func (r *run) numbers() string {
	var b strings.Builder
	for _, p := range r.Net().Params() {
		fmt.Fprintln(&b, p.Layer, p.Index, p.Blob.Data())
	}
	for _, o := range r.Net().Outputs() {
		fmt.Fprintln(&b, o.Name, o.Blob.Data())
	}
	return b.String()
}

// TestForks trains nets like those published with the layers, checks that the loss
// falls, and tests them.
func TestForks(t *testing.T) {
	for _, name := range nets {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, name, t.TempDir(), nil)
			first := r.step(t, 3)
			r.step(t, 60)
			if last := r.step(t, 3); !(last < 0.7*first) {
				t.Errorf("the loss is %g at first and %g after 60 iterations, want less than 0.7 times the first", first, last)
			}
			if err := r.TestAll(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestResume checks that interrupted training continues with the same results,
// including the layers' own counters and means.
func TestResume(t *testing.T) {
	for _, name := range nets {
		t.Run(name, func(t *testing.T) {
			whole := newRun(t, name, t.TempDir(), nil)
			whole.step(t, 9)

			dir := t.TempDir()
			first := newRun(t, name, dir, nil)
			first.step(t, 4)
			if _, _, err := first.Snapshot(); err != nil {
				t.Fatal(err)
			}
			resumed := newRun(t, name, dir, nil)
			if err := resumed.Restore(filepath.Join(dir, "snap_iter_4.solverstate")); err != nil {
				t.Fatal(err)
			}
			resumed.step(t, 5)
			if got, want := resumed.numbers(), whole.numbers(); got != want {
				t.Errorf("interrupted training ends with\n%s\nwithout interruption\n%s", got, want)
			}
			// A layer's state must have mattered.
			for _, blob := range []string{"lambda", "distances"} {
				if b := resumed.Net().Blob(blob); b != nil && fmt.Sprint(b.Data()) == fmt.Sprint(first.Net().Blob(blob).Data()) {
					t.Errorf("%s is the same in iterations 4 and 9: %v", blob, b.Data())
				}
			}
		})
	}
}

// TestCaffemodel checks that weights and options survive a write and a read.
func TestCaffemodel(t *testing.T) {
	for _, name := range nets {
		r := newRun(t, name, t.TempDir(), nil)
		path := filepath.Join(t.TempDir(), name+".caffemodel")
		if err := r.Net().SaveWeights(path, false); err != nil {
			t.Fatal(err)
		}
		want := r.numbers()
		for _, p := range r.Net().Params() {
			clear(p.Blob.MutableData())
		}
		if r.numbers() == want {
			t.Errorf("%s: all weights are 0", name)
		}
		if err := r.Net().LoadWeights(path); err != nil {
			t.Fatal(err)
		}
		if got := r.numbers(); got != want {
			t.Errorf("%s: weights are\n%s\nafter loading, want\n%s", name, got, want)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var model caffepb.NetParameter
		if err := proto.Unmarshal(data, &model); err != nil {
			t.Fatal(err)
		}
		for _, l := range model.Layer {
			plugin := layers.Meanings(l.GetType())[0].Plugin // whose field has the same name in all
			if plugin == nil || l.GetType() == "Normalize" { // which has no options here
				continue
			}
			if _, given, err := prototxt.LayerMessage(l, plugin.Field); !given || err != nil {
				t.Errorf("%s: layer %q has lost its %s (error %v)", name, l.GetName(), plugin.Field, err)
			}
		}
	}
}

// TestOtherV checks the error for weights with another number of classifiers.
func TestOtherV(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "two.caffemodel")
	if err := newRun(t, "em_softmax", dir, nil).Net().SaveWeights(path, false); err != nil {
		t.Fatal(err)
	}
	r := newRun(t, "em_softmax", dir, func(text string) string { return strings.Replace(text, "V: 2", "V: 3", 1) })
	err := r.Net().LoadWeights(path)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{path + `: layer "em": cannot copy param 0: its shape in the file is 2 3 6 (36), in the net (`, `em_softmax.prototxt:12:1) 3 3 6 (54); `} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
}
