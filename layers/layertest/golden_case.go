package layertest

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// golden runs one case.
type golden struct {
	t     *testing.T
	net   []*Fixture // the layers but for the inputs, in order
	under *Fixture   // the layer under test
	in    string     // the dialect of the net
	blobs map[string]*blob.Blob
	want  arrays
	tol   tolerances

	worst    float64 // largest error over its tolerance
	report   string  // about that error
	compared int
}

// goldenCase runs the case in a folder.
func goldenCase(t *testing.T, dialect string, cases fs.FS, folder string, device *cuda.Device) {
	g := &golden{t: t, in: dialect, blobs: make(map[string]*blob.Blob)}
	var err error
	if g.want, err = readArrays(cases, folder); err != nil {
		t.Fatal(err)
	}
	if g.tol, err = readTolerances(cases, folder); err != nil {
		t.Fatal(err)
	}
	enter(t, cases, folder)
	env := &layers.Env{Device: device}
	g.build(env, cases, path.Join(folder, goldenNet))
	g.run(env)
	if g.compared == 0 {
		t.Error("the case has nothing to compare")
	}
	t.Logf("%s: largest error %s", folder, g.report)
}

// build sets up the net.
func (g *golden) build(env *layers.Env, cases fs.FS, name string) {
	t := g.t
	t.Helper()
	text, err := fs.ReadFile(cases, name)
	if err != nil {
		t.Fatal(err)
	}
	net, err := prototxt.ParseNetIn(g.in, name, text)
	if err != nil {
		t.Fatal(err)
	}
	env.Phase = net.Param.GetState().GetPhase()
	needs := make(map[string]bool) // blobs whose gradient a layer with weights needs
	for _, param := range net.Param.GetLayer() {
		if param.GetType() == "Input" {
			shape := param.GetInputParam().GetShape()[0].GetDim()
			b := zeros(ints(shape))
			g.blobs[param.GetTop()[0]] = b
			continue
		}
		f, err := setUp(env, param, net.Positions, g.blobs)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		any := len(f.Params()) > 0
		for i, name := range param.GetBottom() {
			if !net.Param.GetForceBackward() {
				f.Propagate[i] = needs[name]
			}
			any = any || f.Propagate[i]
		}
		for _, name := range param.GetTop() {
			needs[name] = any
		}
		g.net = append(g.net, f)
		if param.GetName() == "layer" {
			g.under = f
		}
	}
	if g.under == nil {
		t.Fatalf("%s: no layer is named \"layer\"", name)
	}
}

// run repeats the steps that produced the values.
func (g *golden) run(env *layers.Env) {
	t := g.t
	t.Helper()
	g.feed("bottoms")
	params := g.under.Params()
	if n := len(g.want["params"]); n != len(params) {
		t.Fatalf("the layer has %d weight blobs, want %d", len(params), n)
	}
	for i, p := range g.want["params"] {
		if err := params[i].FromProto(p, false); err != nil {
			t.Fatalf("params %d: %v", i, err)
		}
	}
	// Before the forward pass: a layer may use a diff as scratch between the
	// two passes, as Caffe's HingeLoss does.
	for _, f := range g.net {
		for _, b := range append(f.Params(), f.Bottom...) {
			clear(b.MutableDiff())
		}
		for i, top := range f.Top {
			if w := f.lossWeight(i); w != 0 {
				fill(top.MutableDiff(), w)
			}
		}
	}
	g.forward()
	g.compare("tops", g.under.Top, data)
	g.compare("params_after", params, data)

	if g.want["bottom_diffs"] != nil || g.want["param_diffs"] != nil {
		for i, p := range g.want["top_diffs"] {
			if empty(p) {
				continue
			}
			top := g.under.Top[i]
			if top.Count() != len(p.GetData()) {
				t.Fatalf("top_diffs %d has %d elements, the top has shape %v", i, len(p.GetData()), top.Shape())
			}
			copy(top.MutableDiff(), p.GetData())
		}
		for _, f := range slices.Backward(g.net) {
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
		}
		g.compare("bottom_diffs", g.bottoms(len(g.want["bottom_diffs"])), diff)
		g.compare("param_diffs", params, diff)
	}
	if g.want["tops_test2"] != nil {
		env.Pass++
		if g.want["bottoms_test2"] != nil {
			g.feed("bottoms_test2")
		} else {
			g.feed("bottoms")
		}
		g.forward()
		g.compare("tops_test2", g.under.Top, data)
	}
}

// bottoms returns the blobs bottom0, bottom1, ... of the inputs.
func (g *golden) bottoms(n int) []*blob.Blob {
	g.t.Helper()
	var blobs []*blob.Blob
	for i := range n {
		b := g.blobs[fmt.Sprintf("bottom%d", i)]
		if b == nil {
			g.t.Fatalf("net.prototxt: no input bottom%d", i)
		}
		blobs = append(blobs, b)
	}
	return blobs
}

func (g *golden) feed(entry string) {
	g.t.Helper()
	values := g.want[entry]
	for i, b := range g.bottoms(len(values)) {
		if err := b.FromProto(values[i], true); err != nil {
			g.t.Fatalf("%s %d: %v", entry, i, err)
		}
	}
}

func (g *golden) forward() {
	g.t.Helper()
	for _, f := range g.net {
		if err := f.Forward(); err != nil {
			g.t.Fatal(err)
		}
	}
}

func data(b *blob.Blob) []float32 { return b.Data() }
func diff(b *blob.Blob) []float32 { return b.Diff() }

// compare compares the blobs with an entry, if the case has it.
func (g *golden) compare(entry string, blobs []*blob.Blob, values func(*blob.Blob) []float32) {
	t := g.t
	t.Helper()
	want, present := g.want[entry]
	if !present {
		return
	}
	if len(want) != len(blobs) {
		t.Fatalf("%s has %d arrays, the layer has %d", entry, len(want), len(blobs))
	}
	for i, b := range blobs {
		if empty(want[i]) {
			continue
		}
		name := fmt.Sprintf("%s %d", entry, i)
		tol, ok := g.tol[name]
		if !ok {
			t.Errorf("tolerance.txt: no line for %s", name)
			continue
		}
		if shape := blob.ProtoShape(want[i]); !b.ShapeEqual(shape) {
			t.Errorf("%s: shape %v, want %v", name, b.Shape(), shape)
			continue
		}
		g.compareValues(name, b.Shape(), values(b), want[i].GetData(), tol)
	}
}

// compareValues compares the elements of an array of the given shape.
func (g *golden) compareValues(name string, shape []int, got, want []float32, tol [2]float64) {
	g.t.Helper()
	g.compared++
	worst, at := -1.0, 0
	for i, w := range want {
		if e := relativeError(got[i], w, tol); !(e <= worst) {
			worst, at = e, i
		}
	}
	if worst < 0 {
		return
	}
	report := fmt.Sprintf("%.2g, tolerance %.2g, in %s", math.Abs(float64(got[at])-float64(want[at])), allowed(want[at], tol), name)
	if g.report == "" || !(worst <= g.worst) {
		g.worst, g.report = worst, report
	}
	if !(worst <= 1) {
		g.t.Errorf("%s, %s: got %g, want %g: error %s", name, element(at, shape), got[at], want[at], report)
	}
}

// allowed returns the largest allowed difference.
func allowed(want float32, tol [2]float64) float64 { return tol[0] + tol[1]*math.Abs(float64(want)) }

// relativeError returns the difference as a multiple of the tolerance.
func relativeError(got, want float32, tol [2]float64) float64 {
	if got == want || got != got && want != want {
		return 0
	}
	e := math.Abs(float64(got)-float64(want)) / allowed(want, tol)
	if math.IsNaN(e) {
		return math.Inf(1)
	}
	return e
}

func ints(dims []int64) []int {
	shape := make([]int, len(dims))
	for i, n := range dims {
		shape[i] = int(n)
	}
	return shape
}
