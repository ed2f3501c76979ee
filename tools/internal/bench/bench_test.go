package bench

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRun times the program of this commit.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gocaffe")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/gocaffe")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Net: "lenet", Batch: 3, Threads: 1, Iterations: 1, Layers: true}
	r, err := p.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Net != "lenet" || r.Batch != 3 || r.Threads != 1 || !(r.Milliseconds > 0) || !(r.MiB > 1) ||
		r.Date == "" || r.CPU == "" || r.Kernels == "" || !(r.GFlops > 0) || !(r.PeakGFlops > 0) {
		t.Errorf("Run returns %+v", r)
	}
	if len(r.Layers) < 10 || r.Layers[1].Layer != "conv1" || r.Layers[1].Pass != "forward" || !(r.Layers[1].Milliseconds > 0) {
		t.Errorf("the layers are %+v", r.Layers)
	}

	// Old programs know tables only, and this one still prints them.
	p.json = false
	r, err = p.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Net != "lenet" || r.Batch != 3 || r.Threads != 1 || !(r.Milliseconds > 0) {
		t.Errorf("Run reads from the table %+v", r)
	}

	if _, err := p.Run(Options{Net: "nonet", Iterations: 1}); !errors.Is(err, ErrNoNet) {
		t.Errorf("of a net that is not there Run says: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a program that is not there is no error")
	}
}
