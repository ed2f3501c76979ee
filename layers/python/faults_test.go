package python_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/layers/python"
	"github.com/gocaffe/gocaffe/prototxt"
)

// fault returns a layer whose class goes wrong in a method.
func fault(what, where string) string {
	return fmt.Sprintf(`layer { name: "f" type: "Python" bottom: "x" top: "y" python_param { module: "faults" layer: "Fault" param_str: "%s %s" } }`, what, where)
}

// passes sets up a layer, and runs it forward and backward.
func passes(ctx context.Context, env *layers.Env, text string) error {
	f, err := layertest.SetUp(env, text, layertest.Gaussian(1, 2, 3))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Layer.Forward(ctx, f.Bottom, f.Top); err != nil {
		return err
	}
	return f.Layer.Backward(ctx, f.Top, f.Propagate, f.Bottom)
}

// TestFaults checks the errors that layers give which go wrong.
func TestFaults(t *testing.T) {
	usePython(t)
	const at = `layer.prototxt:1:1: layer "f": `
	named := func(module, layer string) string {
		return fmt.Sprintf("layer { name: \"f\" type: \"Python\" bottom: \"x\" top: \"y\" python_param {\nmodule: %q\nlayer: %q } }", module, layer)
	}
	for _, c := range []struct {
		text string
		want []string // in the error; the first at its beginning
	}{
		{fault("exception", "setup"), []string{at + "faults.Fault.setup has failed: ValueError: no such value\nTraceback (most recent call last):\n", `testdata/faults.py", line `, "in exception\n", "\nValueError: no such value"}},
		{fault("exception", "reshape"), []string{at + "faults.Fault.reshape has failed: ValueError"}},
		{fault("exception", "forward"), []string{at + "faults.Fault.forward has failed: ValueError"}},
		{fault("exception", "backward"), []string{at + "faults.Fault.backward has failed: ValueError"}},
		{fault("chained", "forward"), []string{at + "faults.Fault.forward has failed: RuntimeError: out of keys\n", "KeyError: 'key'", "direct cause"}},
		{fault("exits", "forward"), []string{at + "faults.Fault.forward has failed: it has called sys.exit(4)\n"}},
		{fault("dies", "setup"), []string{at + "the Python process has ended (exit status 3); its last output:\nnow: dies"}},
		{fault("dies", "forward"), []string{at + "the Python process has ended (exit status 3)"}},
		{fault("crashes", "backward"), []string{at + "the Python process has ended (signal: segmentation fault)", "now: crashes\n", "Fatal Python error: Segmentation fault"}},
		{fault("adds", "reshape"), []string{at + "faults.Fault.reshape has failed: RuntimeError: add_blob may be called in setup only"}},
		{fault("tuple", "reshape"), []string{at + "faults.Fault.reshape has failed: TypeError: reshape takes the sizes of the axes as integers, as in reshape(1, 3), got ((1, 2),)"}},
		{fault("negative", "reshape"), []string{at + "faults.Fault.reshape has failed: ValueError: reshape(-1,): want at most 32 axes with sizes of 0 or more"}},
		{fault("huge", "forward"), []string{at + "faults.Fault.forward has failed: ValueError: reshape(1048576, 1048576): the blob would have 1099511627776 elements, want at most 2147483647"}},
		{fault("bottom", "reshape"), []string{at + "faults.Fault.reshape has failed: ValueError: a layer may reshape its tops, and this is bottom 0: it has shape [2, 3], and not [1]"}},
		{fault("assigns", "forward"), []string{at + "faults.Fault.forward has failed: AttributeError: "}},
		{fault("nets", "setup"), []string{at + "faults.Fault.setup has failed: AttributeError: gocaffe's module caffe has no caffe.Net: it is what Python layers need"}},
		{fault("spec", "setup"), []string{at + "faults.Fault.setup has failed: ImportError: gocaffe's module caffe has no caffe.layers: it is what Python layers need"}},
		{fault("iteritems", "forward"), []string{at + "faults.Fault.forward has failed: AttributeError: ", `faults.py seems to be written for Python 2, and this is Python 3.`, "2to3 -w FILE"}},
		{fault("range", "forward"), []string{at + "faults.Fault.forward has failed: NameError: ", "written for Python 2"}},
		{fault("pickles", "forward"), []string{at + "faults.Fault.forward has failed: ModuleNotFoundError: ", "written for Python 2"}},
		{named("old", "Old"), []string{at + "import of old has failed: SyntaxError: Missing parentheses", `testdata/old.py`, "old.py seems to be written for Python 2"}},
		{named("absent", "Absent"), []string{at + "import of absent has failed: ModuleNotFoundError: No module named 'a_module_that_nobody_has'\n", `testdata/absent.py", line 2`}},
		{named("no_module", "L"), []string{`layer.prototxt:2:9: layer "f": cannot import module 'no_module': No module named 'no_module'; it is looked up in the working directory /`, "and in PYTHONPATH, which is 'testdata'"}},
		{named("losses", "Euclid"), []string{`layer.prototxt:3:8: layer "f": module 'losses' (`, `testdata/losses.py) has no class 'Euclid', it has the layers Double, Euclidean, EuclideanScalar, Scaled`}},
		{named("faults", "Other"), []string{`layer.prototxt:3:8: layer "f": faults.Other is not a class that is derived from caffe.Layer`}},
		{named("faults", "NOTHING"), []string{`layer.prototxt:3:8: layer "f": module 'faults' (`}},
		{named("faults", "Silent"), []string{at + "faults.Silent.reshape has failed: NotImplementedError: class Silent has no method reshape(self, bottom, top)"}},
		{named("faults", "Quits"), []string{at + "faults.Quits has failed: OSError: no disk\n"}},
	} {
		err := passes(t.Context(), new(layers.Env), c.text)
		if err == nil {
			t.Errorf("%s: no error, want %s", c.text, c.want)
			continue
		}
		var where *prototxt.Error
		var program *layers.ProgramError
		if !errors.As(err, &where) || !errors.As(err, &program) {
			t.Errorf("%s: error %v is not a *prototxt.Error and a *layers.ProgramError", c.text, err)
		}
		for i, want := range c.want {
			if got := err.Error(); i == 0 && !strings.HasPrefix(got, want) || !strings.Contains(got, want) {
				t.Errorf("%s: got the error\n%s\nwant in it\n%s", c.text, got, want)
			}
		}
		if strings.Contains(err.Error(), "<gocaffe>") && !strings.Contains(c.text, "crashes") {
			t.Errorf("%s: the traceback shows gocaffe's own code:\n%v", c.text, err)
		}
	}
	layertest.CheckError(t, 1, `layer "f": python_param.module is not set, want the Python module with the class`,
		`layer { name: "f" type: "Python" }`)
	layertest.CheckError(t, 2, `layer "f": python_param.layer is not set, want the name of a class in module "m"`,
		"layer { name: \"f\" type: \"Python\"\npython_param { module: \"m\" } }")
}

// TestNoPython checks the errors without a Python that can run layers.
func TestNoPython(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ python, path, want string }{
		{"", dir, "there is no python3 in PATH: install Python 3 with NumPy (Debian: apt-get install python3 python3-numpy), or name a Python in GOCAFFE_PYTHON"},
		{"no_such_python", dir, `GOCAFFE_PYTHON is "no_such_python": `},
		{script("fails", "echo no license >&2; exit 7"), "", "/fails does not run as Python 3 does: the Python process has ended (exit status 7); its last output:\nno license"},
	} {
		t.Setenv("GOCAFFE_PYTHON", c.python)
		if c.path != "" {
			t.Setenv("PATH", c.path)
		}
		if err := passes(t.Context(), new(layers.Env), fault("exception", "setup")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got the error %v", c, err)
		}
	}
}

// TestNoNumPy checks the error of a Python without NumPy.
func TestNoNumPy(t *testing.T) {
	usePython(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/numpy.py", []byte("raise ImportError('no numpy here')"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", dir)
	err := passes(t.Context(), new(layers.Env), fault("exception", "setup"))
	for _, want := range []string{") cannot import NumPy: no numpy here\ninstall it, with ", `-m pip install numpy"`, "apt-get install python3-numpy"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want %q in it", err, want)
		}
	}
}

// TestRestart checks that layers made after the process has died have a new one.
func TestRestart(t *testing.T) {
	usePython(t)
	dead, err := layertest.SetUp(new(layers.Env), fault("dies", "forward"), layertest.Gaussian(1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	for range 2 {
		if err := dead.Layer.Forward(t.Context(), dead.Bottom, dead.Top); err == nil || !strings.Contains(err.Error(), "has ended (exit status 3)") {
			t.Errorf("got the error %v of a process that has died", err)
		}
	}
	if err := passes(t.Context(), new(layers.Env), fault("exception", "nowhere")); err != nil {
		t.Errorf("after the end of a process: %v", err)
	}
}

// TestCancel checks that a pass ends with its context, and that the next pass waits for
// a layer that was only slow.
func TestCancel(t *testing.T) {
	usePython(t)
	f, err := layertest.SetUp(new(layers.Env), fault("naps", "forward"), layertest.Gaussian(1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Layer.Forward(ctx, f.Bottom, f.Top); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got the error %v, want that of the context", err)
	}
	f.Bottom[0].MutableData()[0] = 42
	if err := f.Layer.Forward(t.Context(), f.Bottom, f.Top); err != nil || f.Top[0].Data()[0] != 42 {
		t.Errorf("the pass after one that was canceled computes %g (error %v), want 42", f.Top[0].Data(), err)
	}
}

// TestMemory checks that layers that come and go use the same shared memory again, and
// that a blob that grows in every pass needs no more than a small multiple of its size.
func TestMemory(t *testing.T) {
	usePython(t)
	first := layertest.New(t, euclidean, layertest.Gaussian(1, 2, 3), layertest.Gaussian(2, 2, 3))
	defer first.Close()
	var size int64
	for i := range 10 {
		f := layertest.New(t, euclidean, layertest.Gaussian(1, 1<<14, 3), layertest.Gaussian(2, 1<<14, 3))
		if err := errors.Join(f.Forward(), f.Backward(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if now := python.MemorySize(first.Layer); i == 0 {
			size = now
		} else if now != size {
			t.Fatalf("the shared memory has %d bytes after %d layers, and %d after one", now, i+1, size)
		}
	}
	for n := 1; n <= 300; n++ {
		for _, b := range first.Bottom {
			if err := b.Reshape(n, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if err := first.Forward(); err != nil {
			t.Fatal(err)
		}
	}
	if now := python.MemorySize(first.Layer); now > size+2*4*1200000 {
		t.Errorf("the shared memory has %d bytes, and %d before two blobs grew to 1200000 bytes", now, size)
	}
}

// TestConcurrent runs two nets at once, which take turns in the process.
func TestConcurrent(t *testing.T) {
	usePython(t)
	var group sync.WaitGroup
	for seed := range uint64(2) {
		f := layertest.New(t, euclidean, layertest.Gaussian(seed, 8, 3), layertest.Gaussian(seed+2, 8, 3))
		defer f.Close()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		want := f.Top[0].Data()[0]
		group.Go(func() {
			for range 200 {
				err := errors.Join(f.Forward(), f.Backward())
				if got := f.Top[0].Data()[0]; err != nil || got != want {
					t.Errorf("the loss is %g beside another net, and %g alone (error %v)", got, want, err)
					return
				}
			}
		})
	}
	group.Wait()
}
