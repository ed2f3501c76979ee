package solver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/filelock"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/solver"
)

// saver is a solver that snapshots every second iteration of six. format is for
// example "snapshot_format: HDF5".
func saver(t *testing.T, prefix, format string, failed *[]solver.SnapshotFailed) *solver.Solver {
	return newSolver(t, fmt.Sprintf(`base_lr: 0.1 lr_policy: "fixed" max_iter: 6 snapshot: 2 display: 1 snapshot_prefix: %q %s net_param {%s}`, prefix, format, line),
		solver.Options{Observer: event.Func(func(e any) {
			if f, ok := e.(*solver.SnapshotFailed); ok {
				*failed = append(*failed, *f)
			}
		})})
}

// eachFormat runs a test for each format of snapshots, which it gets as a line of a solver.
func eachFormat(t *testing.T, test func(t *testing.T, format string)) {
	t.Helper()
	test(t, "")
	t.Run("HDF5", func(t *testing.T) {
		hdf5test.Need(t)
		test(t, "snapshot_format: HDF5")
	})
}

// A step of writing a snapshot that fails, once or for good, does not end
// training: every step of the run fails in turn. Of a failure that passes
// nothing is left, and the last snapshot is there; after one that stays, Solve
// returns the error, and what was written before is whole.
func TestSnapshotFaults(t *testing.T) { eachFormat(t, testSnapshotFaults) }

func testSnapshotFaults(t *testing.T, format string) {
	for _, lasting := range []bool{false, true} {
		n := 1
		for ; ; n++ {
			dir := t.TempDir()
			var failed []solver.SnapshotFailed
			s := saver(t, filepath.Join(dir, "s"), format, &failed)
			steps, hit := 0, false
			restore := atomicfile.InjectFaults(func(op atomicfile.Op, path string) error {
				if strings.HasSuffix(path, ".probe") {
					return nil
				}
				if steps++; steps == n || lasting && steps > n {
					hit = true
					return syscall.ENOSPC
				}
				return nil
			})
			err := s.Solve(context.Background())
			restore()
			if s.Iter() != 6 {
				t.Fatalf("step %d: training has ended at iteration %d", n, s.Iter())
			}
			if !hit {
				break
			}
			if (err != nil) != lasting || len(failed) == 0 {
				t.Errorf("step %d, lasting %v: got %v and %d failures", n, lasting, err, len(failed))
			}
			checkSnapshotFolder(t, dir, !lasting)
		}
		if n < 20 {
			t.Errorf("only %d steps could fail, want those of three snapshots", n-1)
		}
	}
}

// checkSnapshotFolder checks that a folder has no temporary files and that each
// state in it can be continued, with the last one there if last is set.
func checkSnapshotFolder(t *testing.T, dir string, last bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch path := filepath.Join(dir, e.Name()); filepath.Ext(strings.TrimSuffix(path, ".h5")) {
		case ".caffemodel":
		case ".solverstate":
			if err := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{}).Restore(path); err != nil {
				t.Errorf("%s: %v", e.Name(), err)
			}
		default:
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "s_iter_6.solverstate*")); last && len(found) == 0 {
		t.Error("the last snapshot is missing")
	}
}

// A folder that is renamed during training and comes back loses nothing.
func TestSnapshotFolderRenamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var failed []solver.SnapshotFailed
	s := saver(t, filepath.Join(dir, "s"), "", &failed)
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, dir+"2")
	if err := s.Step(context.Background(), 2); err != nil || len(failed) != 1 {
		t.Fatalf("got %v and %d failures, want one", err, len(failed))
	}
	move(dir+"2", dir)
	if err := s.Step(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s_iter_3.solverstate")); err != nil || len(failed) != 1 {
		t.Errorf("the next display has not tried again: %v, %d failures", err, len(failed))
	}
}

// Two runs with one snapshot_prefix would mix their files.
func TestSnapshotLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := filelock.Acquire(filepath.Join(dir, ".s.lock"))
	if err != nil {
		t.Fatal(err)
	}
	var failed []solver.SnapshotFailed
	s := saver(t, filepath.Join(dir, "s"), "", &failed)
	err = s.Solve(context.Background())
	if want := fmt.Sprintf("process %d trains with the same snapshot_prefix", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) || s.Iter() != 0 {
		t.Errorf("got %v at iteration %d, want %s", err, s.Iter(), want)
	}
	lock.Unlock()

	// What a killed process has left is removed, what a running one writes is not.
	dead := filepath.Join(dir, strings.Replace(strings.Replace(atomicfile.TempPattern("s_iter_2.caffemodel"), "*", "77", 1),
		fmt.Sprintf(".p%d.", os.Getpid()), ".p4194999.", 1))
	mine := filepath.Join(dir, strings.Replace(atomicfile.TempPattern("s_iter_2.caffemodel"), "*", "77", 1))
	for _, path := range []string{dead, mine} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Solve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the temporary file of a process that is gone was not removed")
	}
	if err := os.Remove(mine); err != nil {
		t.Errorf("the temporary file of a running process was removed: %v", err)
	}
	checkSnapshotFolder(t, dir, true)
}

// TestFailedPass checks that a pass that fails, as the fault of a layer, leaves a
// snapshot of the iterations before it, unless there is one.
func TestFailedPass(t *testing.T) {
	fault := errors.New("a fault")
	for _, c := range []struct {
		fields string
		pass   int64
		want   []string
	}{
		{"", 5, []string{"snap_iter_5.caffemodel", "snap_iter_5.solverstate"}},
		{"snapshot: 3", 6, []string{"snap_iter_3.caffemodel", "snap_iter_3.solverstate", "snap_iter_6.caffemodel", "snap_iter_6.solverstate"}},
		{"snapshot_after_train: false", 5, nil},
		{"", 0, nil},
	} {
		dir := t.TempDir()
		writes := 0
		s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" max_iter: 100 `+c.fields+` snapshot_prefix: "`+dir+`/snap" net_param {`+line+`}`, solver.Options{
			Observer: event.Func(func(e any) {
				if _, ok := e.(*solver.Snapshotted); ok {
					writes++
				}
			}),
			BeforeForward: func(n *net.Net, pass int64) error {
				if pass == c.pass {
					return fault
				}
				return linePoints(n, pass)
			},
		})
		if err := s.Solve(context.Background()); !errors.Is(err, fault) {
			t.Errorf("%+v: Solve returned %v", c, err)
		}
		got := slices.DeleteFunc(listDir(t, dir), func(name string) bool { return strings.HasPrefix(name, ".") })
		if !slices.Equal(got, c.want) || writes != len(c.want)/2 {
			t.Errorf("%+v: the folder has %v after %d snapshots", c, got, writes)
		}
	}
}
