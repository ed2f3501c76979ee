package layertest

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// Counts are the numbers of golden cases by outcome.
type Counts struct {
	Passed, Failed map[string]int // by layer type
	Unknown        map[string]int // cases of types that are not registered
	Filtered       int            // cases that the flag -run leaves out
}

// String returns the three totals and the unknown types.
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

// Golden runs the golden cases of a file system, such as os.DirFS("testdata") or a
// zip.Reader, each as a subtest TYPE/CASE. A case fails if an element differs from
// its expected value by more than the case's tolerance. A case is a folder
// TYPE/CASE, or layers/TYPE/CASE, with three files:
//
//   - net.prototxt: an Input layer for each bottom, bottom0, bottom1, ..., and
//     the layer under test, named layer;
//   - golden.binaryproto: a NetParameter whose layers are named lists of arrays:
//     bottoms, params, tops, top_diffs, bottom_diffs, param_diffs, params_after,
//     tops_test2, bottoms_test2;
//   - tolerance.txt: lines of ENTRY INDEX ATOL RTOL.
//
// It may have more files, which net.prototxt names relative to the folder. The
// README of internal/reference/testdata/golden describes the entries.
//
// Cases of types that the test program does not register are counted, but not run.
// Golden logs and returns the counts.
//
// The layers run on the GPU that DeviceVariable names, if it is set.
func Golden(t *testing.T, cases fs.FS) Counts {
	t.Helper()
	device, err := envDevice()
	if err != nil {
		t.Fatal(err)
	}
	return GoldenOn(t, cases, device)
}

// GoldenOn is Golden on a given GPU, or on the host if device is nil. If types are
// given, it runs the cases of these only. Layers without GPU code run on the host.
func GoldenOn(t *testing.T, cases fs.FS, device *cuda.Device, types ...string) Counts {
	t.Helper()
	return GoldenIn(t, "", cases, device, types...)
}

// GoldenIn is GoldenOn for nets in a dialect (prototxt.Dialect), in which the types
// and fields of the cases have their meaning.
func GoldenIn(t *testing.T, dialect string, cases fs.FS, device *cuda.Device, types ...string) Counts {
	t.Helper()
	if inner, err := fs.Stat(cases, "layers"); err == nil && inner.IsDir() {
		if cases, err = fs.Sub(cases, "layers"); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fs.Glob(cases, "*/*/"+goldenArrays)
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no golden case, no file TYPE/CASE/%s (error %v)", goldenArrays, err)
	}
	counts := Counts{Passed: make(map[string]int), Failed: make(map[string]int), Unknown: make(map[string]int)}
	for _, file := range files {
		folder := path.Dir(file)
		typ := path.Dir(folder)
		if len(types) > 0 && !slices.Contains(types, typ) {
			continue
		}
		dialect := cmp.Or(dialect, dialectOf[typ])
		info := typeIn(dialect, typ)
		if info == nil {
			counts.Unknown[typ]++
			continue
		}
		ran := false
		ok := t.Run(folder, func(t *testing.T) {
			ran = true
			goldenCase(t, dialect, cases, folder, device)
		})
		switch {
		case !ran:
			counts.Filtered++
		case ok:
			counts.Passed[typ]++
			record(nameOf(info), Reference)
		default:
			counts.Failed[typ]++
		}
	}
	t.Log(counts)
	return counts
}

// dialectOf has the dialects of types with several meanings in the golden set of layers.
var dialectOf = map[string]string{"BN": "lsoftmax", "Normalize": "normface"}

// typeIn returns the type of that name in a dialect, nil if there is none.
func typeIn(dialect, typ string) *layers.Info {
	if dialect == "" {
		return layers.Lookup(typ)
	}
	l := &caffepb.LayerParameter{Type: &typ}
	prototxt.SetDialect(l, dialect)
	return layers.Of(l)
}
