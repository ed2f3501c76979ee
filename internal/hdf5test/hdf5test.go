// Package hdf5test helps to test what reads and writes HDF5 files: with the HDF Group's
// tools and with Python's h5py, which know nothing of gocaffe. Where one of them is
// absent, a test is skipped and says so; with CI set it fails.
package hdf5test

import (
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/testtool"
)

// Need skips a test on machines without libhdf5.
func Need(t testing.TB) {
	t.Helper()
	if _, err := hdf5.LibraryVersion(); err != nil {
		testtool.Absent(t, err.Error())
	}
}

// Dump returns what h5dump prints with the arguments.
func Dump(t testing.TB, args ...string) string {
	t.Helper()
	return testtool.Run(t, "hdf5-tools", "h5dump", args...)
}

// Python runs a script that may import h5py and numpy, and returns what it prints.
func Python(t testing.TB, script string, args ...string) string {
	t.Helper()
	return testtool.Python(t, "h5py", script, args...)
}
