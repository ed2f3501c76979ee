package all

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// TestZeroSizes runs all golden cases, which cover every layer type with bottoms, with
// an axis of size 0: each axis of each bottom and of all bottoms together, when the net
// is built and when blobs are reshaped later. The layer must return an error, or work
// without computing NaN; it must not panic.
func TestZeroSizes(t *testing.T) {
	t.Run("host", func(t *testing.T) { zeroSizes(t, nil) })
	t.Run("device", func(t *testing.T) { zeroSizes(t, cudatest.Device(t)) })
}

func zeroSizes(t *testing.T, device *cuda.Device) {
	tried := make(map[*layers.Info]bool)
	for root, cases := range goldenCases(t) {
		for _, name := range caseFiles(t, cases) {
			text, err := fs.ReadFile(cases, name)
			if err != nil {
				t.Fatal(err)
			}
			typ := path.Base(path.Dir(path.Dir(name)))
			l := &caffepb.LayerParameter{Type: &typ}
			prototxt.SetDialect(l, dialectOf(root, typ))
			if info := layers.Of(l); info != nil && !(device != nil && tried[info]) { // the fake device is slow
				tried[info] = zeroCase(t, device, dialectOf(root, typ), path.Dir(name), text) || tried[info]
			}
		}
	}
	tried[layers.Lookup("HDF5Output")] = true // it writes files: TestHDF5OutputErrors gives it blobs without elements
	for _, typ := range layers.Types() {
		if typ == "Python" { // which needs a program: its package has a test of its own
			continue
		}
		for _, info := range layers.Meanings(typ) {
			if !tried[info] && info.Bottoms.Max != 0 && info.AliasOf() == nil {
				t.Errorf("no case has a layer of type %s (dialects %q)", typ, info.Dialects)
			}
		}
	}
}

// goldenCases returns all sets of golden values of layers by root, and nets of our own
// with the types that no set has, as "own" or, in testdata/own-DIALECT, as the dialect.
func goldenCases(t *testing.T) map[string]fs.FS {
	t.Helper()
	sets := forkSets(t)
	sets["layers"] = reference.GoldenFS(t, "layers")
	sets["own"] = os.DirFS("testdata/own")
	folders, err := filepath.Glob("testdata/own-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		sets[strings.TrimPrefix(filepath.Base(folder), "own-")] = os.DirFS(folder)
	}
	return sets
}

// caseFiles returns the nets of a set.
func caseFiles(t *testing.T, cases fs.FS) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*/*/net.prototxt", "layers/*/*/net.prototxt"} {
		names, err := fs.Glob(cases, pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, names...)
	}
	return files
}

// zeroCase tries all axes of a net's inputs, one by one and together. It reports
// whether a pass worked with the original shapes.
func zeroCase(t *testing.T, device *cuda.Device, dialect, name string, text []byte) bool {
	t.Helper()
	file, err := prototxt.ParseNetIn(dialect, name, text)
	if err != nil {
		return false // another fork's layer of the same name
	}
	file.Param.ForceBackward = proto.Bool(true)
	opts := net.Options{State: file.Param.GetState(), Device: device}
	if n, err := net.New(file, opts); err != nil {
		return false // it reads files
	} else if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var inputs []*caffepb.LayerParameter
	for _, l := range file.Param.GetLayer() {
		if l.GetType() == "Input" {
			inputs = append(inputs, l)
		}
	}
	if len(inputs) == 0 {
		return false
	}
	for which := range len(inputs) + 1 {
		changed := inputs // all of them
		if which < len(inputs) {
			changed = inputs[which : which+1]
		}
		for axis := range len(changed[0].GetInputParam().GetShape()[0].GetDim()) {
			what := fmt.Sprintf("%s: axis %d is 0 in %d bottoms from %s on", name, axis, len(changed), changed[0].GetTop()[0])
			later, err := net.New(file, opts)
			if err != nil {
				t.Fatal(err)
			}
			restore := setSizes(t, changed, axis, later)
			n, err := net.New(file, opts)
			restore()
			pass(t, what+" after it was built", later)
			if err != nil {
				calm(t, what, err)
				continue
			}
			pass(t, what, n)
		}
	}
	return true
}

// setSizes sets an axis to 0 in the inputs' options and in their blobs of n. restore
// undoes the change of the options.
func setSizes(t *testing.T, inputs []*caffepb.LayerParameter, axis int, n *net.Net) (restore func()) {
	t.Helper()
	var undo []func()
	for _, l := range inputs {
		dim := l.GetInputParam().GetShape()[0].Dim
		if axis >= len(dim) {
			continue
		}
		was := dim[axis]
		undo = append(undo, func() { dim[axis] = was })
		dim[axis] = 0
		shape := make([]int, len(dim))
		for k, d := range dim {
			shape[k] = int(d)
		}
		if err := n.Blob(l.GetTop()[0]).Reshape(shape...); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

// pass runs a net and closes it.
func pass(t *testing.T, what string, n *net.Net) {
	t.Helper()
	defer n.Close()
	loss, err := n.Forward(t.Context())
	if err != nil {
		calm(t, what, err)
		return
	}
	if math.IsNaN(float64(loss)) {
		t.Errorf("%s: the loss is NaN", what)
	}
	for _, l := range n.Layers() {
		for _, top := range l.Tops {
			for _, v := range top.Data() {
				if v != v {
					t.Errorf("%s: type %s computes NaN", what, l.Type)
					return
				}
			}
		}
	}
	calm(t, what, n.Backward(t.Context()))
}

// calm fails the test if a layer panicked.
func calm(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "panic") {
		t.Errorf("%s: %v", what, err)
	}
}
