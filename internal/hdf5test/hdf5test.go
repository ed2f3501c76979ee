// Package hdf5test helps to test what reads and writes HDF5 files: with the HDF
// Group's tools and with Python's h5py, which know nothing of gocaffe. Where one
// of them is absent, a test is skipped and says so; with CI set it fails.
package hdf5test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
)

// Need skips a test on machines without libhdf5.
func Need(t testing.TB) {
	t.Helper()
	if _, err := hdf5.LibraryVersion(); err != nil {
		absent(t, err.Error())
	}
}

// Dump returns what h5dump prints with the arguments.
func Dump(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("h5dump"); err != nil {
		absent(t, "no h5dump (apt-get install hdf5-tools)")
	}
	return run(t, "h5dump", args...)
}

// Python runs a script that may import h5py and numpy, and returns what it prints.
func Python(t testing.TB, script string, args ...string) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import h5py, numpy").Run() == nil {
			return run(t, python, append([]string{"-c", script}, args...)...)
		}
	}
	absent(t, "no python3 with h5py (apt-get install python3-h5py)")
	return ""
}

func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	return string(out)
}

// absent skips a test, or fails it where CI promises what is absent.
func absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("CI promises it: ", what)
	}
	t.Skip("SKIPPED: ", what)
}
