package solver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/solver"
)

// FuzzRestore restores solvers from damaged states, in protobuf's format and, where
// libhdf5 is installed, in HDF5. A state that is refused changes nothing; with one that
// is taken the solver trains on, and its own snapshot is taken again.
func FuzzRestore(f *testing.F) {
	const text = `base_lr: 0.1 lr_policy: "multistep" stepvalue: 3 gamma: 0.5 momentum: 0.9 snapshot_prefix: "$prefix" net_param {` + line + `}`
	formats := []string{""}
	if _, err := hdf5.LibraryVersion(); !errors.Is(err, hdf5.ErrNoLibrary) {
		formats = append(formats, " snapshot_format: HDF5")
	}
	for i, format := range formats {
		s := newSolver(f, text+format, solver.Options{})
		if err := s.Step(context.Background(), 4); err != nil {
			f.Fatal(err)
		}
		_, state, err := s.Snapshot()
		if err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(state)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, i == 1)
		f.Add(data[:len(data)/2], i == 1)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, isHDF5 bool) {
		path := filepath.Join(dir, "x.solverstate")
		if isHDF5 {
			path += ".h5"
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s := newSolver(t, text, solver.Options{})
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		before := weight(s)
		if err := s.Restore(path); err != nil {
			if s.Iter() != 1 || weight(s) != before {
				t.Fatalf("the refused state has changed the solver: %v", err)
			}
			return
		}
		iter := s.Iter()
		if err := s.Step(context.Background(), 1); err != nil {
			return // diverged, or as many iterations as there can be
		}
		if s.Iter() != iter+1 {
			t.Fatalf("iteration %d follows %d", s.Iter(), iter)
		}
		_, state, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(state); err != nil || s.Iter() != iter+1 {
			t.Fatalf("the solver's own snapshot: iteration %d, %v", s.Iter(), err)
		}
	})
}
