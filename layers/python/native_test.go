package python_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/layers/python"
)

// ours is a layer in Go in place of a class in Python.
type ours struct{ layers.NoBottoms }

func (ours) SetUp(_, top []*blob.Blob) error                           { return top[0].Reshape(7) }
func (ours) Forward(context.Context, []*blob.Blob, []*blob.Blob) error { return nil }

func init() {
	for _, name := range [][2]string{
		{"nobody_has.this", "Ours"}, {"old", "Ours"}, {"absent", "Ours"}, {"losses", "Euclidean"}, {"losses", "Ours"}, {"twice", "Ours"}, {"twice", "Ours"},
	} {
		python.Register(python.Native{Module: name[0], Class: name[1], New: func(*layers.Spec) (layers.Layer, error) { return ours{}, nil }})
	}
}

// TestNative checks when a layer in Go runs in place of a class: if Python cannot import
// its module, or must not run.
func TestNative(t *testing.T) {
	usePython(t)
	for _, test := range []struct {
		module, class string
		noPrograms    bool
		ours          bool
		level         event.Level
		note          string
	}{
		{"nobody_has.this", "Ours", false, true, event.Info, `gocaffe's own Ours runs: there is no Python module nobody_has.this`},
		{"nobody_has.this", "Ours", true, true, event.Info, ""},
		{"old", "Ours", false, true, event.Warning, `gocaffe's own Ours runs: the Python module old cannot be imported: import of old has failed: SyntaxError: `},
		{"absent", "Ours", false, true, event.Warning, `gocaffe's own Ours runs: the Python module absent cannot be imported: import of absent has failed: ModuleNotFoundError: `},
		{"losses", "Euclidean", false, false, event.Info, ""},
		{"losses", "Euclidean", true, true, event.Info, ""},
	} {
		var notes []*event.Note
		env := &layers.Env{NoPrograms: test.noPrograms, Observer: event.Func(func(e any) {
			if n, ok := e.(*event.Note); ok {
				notes = append(notes, n)
			}
		})}
		text := `layer { name: "l" type: "Python" bottom: "x" bottom: "y" top: "z" python_param { module: "` + test.module + `" layer: "` + test.class + `" } }`
		f, err := layertest.SetUp(env, text, layertest.Gaussian(1, 2, 3), layertest.Gaussian(2, 2, 3))
		if err != nil {
			t.Fatalf("%v: %v", test, err)
		}
		if _, ok := f.Layer.(ours); ok != test.ours {
			t.Errorf("%v: the layer is %T", test, f.Layer)
		}
		f.Close()
		if test.note == "" {
			if len(notes) > 0 {
				t.Errorf("%v: note %q", test, notes[0].Text)
			}
		} else if len(notes) != 1 || !strings.HasPrefix(notes[0].Text, test.note) || notes[0].Level != test.level {
			t.Errorf("%v: %d notes %+v", test, len(notes), notes)
		}
	}
}

// TestNativeAlone checks that a layer in Go needs no Python.
func TestNativeAlone(t *testing.T) {
	t.Setenv("GOCAFFE_PYTHON", "a_python_that_nobody_has")
	f := layertest.New(t, `layer { name: "l" type: "Python" top: "z" python_param { module: "losses" layer: "Ours" } }`)
	if _, ok := f.Layer.(ours); !ok || f.Top[0].Count() != 7 {
		t.Errorf("the layer is %T, its top has %d elements", f.Layer, f.Top[0].Count())
	}
}

// TestMissingClass checks that a module that Python has must have the class.
func TestMissingClass(t *testing.T) {
	usePython(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	layertest.CheckError(t, 1, fmt.Sprintf(`layer "l": module 'losses' (%s) has no class 'Ours', it has the layers Double, Euclidean, EuclideanScalar, Scaled`,
		filepath.Join(dir, "testdata", "losses.py")),
		`layer { name: "l" type: "Python" top: "z" python_param { module: "losses" layer: "Ours" } }`)
}

func TestNativeTwice(t *testing.T) {
	layertest.CheckError(t, 1, `layer "l": 2 packages of this program implement twice.Ours: build it with one of them`,
		`layer { name: "l" type: "Python" top: "z" python_param { module: "twice" layer: "Ours" } }`)
}
