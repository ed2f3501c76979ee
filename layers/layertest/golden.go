package layertest

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Counts is how many golden cases had which end.
type Counts struct {
	Passed, Failed map[string]int // by layer type
	Unknown        map[string]int // cases of types that are not registered
	Filtered       int            // cases that the flag -run leaves out
}

// String returns the three totals, and the unknown types.
func (c Counts) String() string {
	s := fmt.Sprintf("golden cases: %d passed, %d failed, %d of unknown type", total(c.Passed), total(c.Failed), total(c.Unknown))
	if len(c.Unknown) > 0 {
		s += " (" + strings.Join(slices.Sorted(maps.Keys(c.Unknown)), ", ") + ")"
	}
	return s
}

func total(counts map[string]int) int {
	n := 0
	for _, k := range counts {
		n += k
	}
	return n
}

// Golden runs the golden cases under a folder, each as a subtest TYPE/CASE, and
// fails where a number is off by more than the case's tolerance. A case is a
// folder TYPE/CASE with three files:
//
//   - net.prototxt: an Input layer for each bottom, bottom0, bottom1, ..., and
//     the layer under test, named layer;
//   - golden.binaryproto: a NetParameter whose layers are named lists of arrays:
//     bottoms, params, tops, top_diffs, bottom_diffs, param_diffs, params_after,
//     tops_test2, bottoms_test2;
//   - tolerance.txt: lines of ENTRY INDEX ATOL RTOL.
//
// The TYPE folders are in dir itself or in dir/layers. Of types that no package
// of the test program registers, the cases are only counted. The counts are
// logged at the end and returned.
//
// The layers run on the GPU that DeviceVariable names, if it does.
func Golden(t *testing.T, dir string) Counts {
	t.Helper()
	device, err := envDevice()
	if err != nil {
		t.Fatal(err)
	}
	return GoldenOn(t, dir, device)
}

// GoldenOn is Golden on a GPU, of the given layer types, or of all if none is
// given. nil is the host. Layers without a version for a GPU run on the host.
func GoldenOn(t *testing.T, dir string, device *cuda.Device, types ...string) Counts {
	t.Helper()
	if inner := filepath.Join(dir, "layers"); isDir(inner) {
		dir = inner
	}
	cases, err := filepath.Glob(filepath.Join(dir, "*", "*", "golden.binaryproto"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no TYPE/CASE/golden.binaryproto in %s", dir)
	}
	counts := Counts{Passed: make(map[string]int), Failed: make(map[string]int), Unknown: make(map[string]int)}
	for _, file := range cases {
		folder := filepath.Dir(file)
		typ := filepath.Base(filepath.Dir(folder))
		if len(types) > 0 && !slices.Contains(types, typ) {
			continue
		}
		if layers.Lookup(typ) == nil {
			counts.Unknown[typ]++
			continue
		}
		ran := false
		ok := t.Run(typ+"/"+filepath.Base(folder), func(t *testing.T) {
			ran = true
			goldenCase(t, folder, device)
		})
		switch {
		case !ran:
			counts.Filtered++
		case ok:
			counts.Passed[typ]++
		default:
			counts.Failed[typ]++
		}
	}
	t.Log(counts)
	return counts
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// arrays is a container: named lists of arrays.
type arrays map[string][]*caffepb.BlobProto

func readArrays(path string) (arrays, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var net caffepb.NetParameter
	if err := proto.Unmarshal(data, &net); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a := make(arrays)
	for _, entry := range net.GetLayer() {
		a[entry.GetName()] = entry.GetBlobs()
	}
	return a, nil
}

// empty tells whether an array only keeps a place in its list.
func empty(p *caffepb.BlobProto) bool {
	dims := p.GetShape().GetDim()
	return len(dims) == 1 && dims[0] == 0 && len(p.GetData()) == 0
}

// tolerances has {atol, rtol} by "ENTRY INDEX".
type tolerances map[string][2]float64

func readTolerances(path string) (tolerances, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tol := make(tolerances)
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s:%d: %d fields, want ENTRY INDEX ATOL RTOL", path, i+1, len(fields))
		}
		atol, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		rtol, err := strconv.ParseFloat(fields[3], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		tol[fields[0]+" "+fields[1]] = [2]float64{atol, rtol}
	}
	return tol, nil
}

// golden is a case that is being run.
type golden struct {
	t     *testing.T
	net   []*Fixture // the layers but for the inputs, in order
	under *Fixture   // the layer under test
	blobs map[string]*blob.Blob
	want  arrays
	tol   tolerances

	worst    float64 // largest error over its tolerance
	report   string  // about that error
	compared int
}

func goldenCase(t *testing.T, dir string, device *cuda.Device) {
	// The files that a net names, such as InfogainLoss's source, are relative
	// to the folder of the case.
	t.Chdir(dir)
	g := &golden{t: t, blobs: make(map[string]*blob.Blob)}
	var err error
	if g.want, err = readArrays("golden.binaryproto"); err != nil {
		t.Fatal(err)
	}
	if g.tol, err = readTolerances("tolerance.txt"); err != nil {
		t.Fatal(err)
	}
	env := &layers.Env{Device: device}
	g.build(env)
	g.run(env)
	if g.compared == 0 {
		t.Error("case has nothing to compare")
	}
	t.Logf("%s/%s: largest error %s", filepath.Base(filepath.Dir(dir)), filepath.Base(dir), g.report)
}

// build sets up the net.
func (g *golden) build(env *layers.Env) {
	t := g.t
	t.Helper()
	text, err := os.ReadFile("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	net, err := prototxt.ParseNet("net.prototxt", text)
	if err != nil {
		t.Fatal(err)
	}
	env.Phase = net.Param.GetState().GetPhase()
	needs := make(map[string]bool) // blobs whose gradient a learned layer wants
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
		t.Fatal("net.prototxt: no layer is named \"layer\"")
	}
}

// run repeats the steps by which the values were made.
func (g *golden) run(env *layers.Env) {
	t := g.t
	t.Helper()
	g.feed("bottoms")
	params := g.under.Params()
	if n := len(g.want["params"]); n != len(params) {
		t.Fatalf("layer has %d blobs of weights, want %d", len(params), n)
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
				t.Fatalf("top_diffs %d has %d numbers, top has shape %v", i, len(p.GetData()), top.Shape())
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

// compare compares the blobs with an entry, if there is one.
func (g *golden) compare(entry string, blobs []*blob.Blob, values func(*blob.Blob) []float32) {
	t := g.t
	t.Helper()
	want, present := g.want[entry]
	if !present {
		return
	}
	if len(want) != len(blobs) {
		t.Fatalf("%s: %d arrays, the layer has %d", entry, len(want), len(blobs))
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
		g.compareValues(name, values(b), want[i].GetData(), tol)
	}
}

func (g *golden) compareValues(name string, got, want []float32, tol [2]float64) {
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
		g.t.Errorf("%s[%d]: got %g, want %g: error %s", name, at, got[at], want[at], report)
	}
}

// allowed returns the largest difference that is allowed.
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
