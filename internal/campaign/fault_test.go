package campaign

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gocaffecmd "github.com/gocaffe/gocaffe/cmd"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// TestFaults makes every step of every command that writes files fail in turn, until a
// run meets no fault: creating, writing (half is written), syncing, closing and
// renaming, on a full and on a broken disk, once and permanently. A run that meets a
// fault must fail and name the file. An existing file is kept or replaced as a whole,
// and no temporary file is left. If there was no file before, no partial file appears.
//
// A failed snapshot does not end training; solver.TestSnapshotFaults tests that.
func TestFaults(t *testing.T) {
	for _, w := range writers {
		t.Run(w.name, w.fail)
	}
}

func (w *writer) fail(t *testing.T) {
	dir := t.TempDir()
	want, _ := w.outputs(t, dir)
	t.Chdir(dir)
	faults := 0
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for _, lasting := range []bool{false, true} {
			for _, fresh := range []bool{false, true} {
				for n := 1; ; n++ {
					before := want[0]
					if fresh {
						before = keep(want[0])
					}
					put(t, before)
					step, hit := w.run(t, n, cause, lasting)
					if !hit {
						break
					}
					faults++
					if w.check(t, dir, before, want[1]) > 0 {
						t.Error("a temporary file was left behind")
					}
					if t.Failed() {
						t.Fatalf("%v at step %d (%s), lasting %v, nothing to replace %v", cause, n, step, lasting, fresh)
					}
				}
				files, err := tree("out")
				if err != nil {
					t.Fatal(err)
				}
				compare(t, files, want[1])
			}
		}
	}
	t.Logf("%d faults", faults)
	if faults < 8*4 {
		t.Errorf("only %d steps could fail, want create, write, sync and rename in 8 ways", faults)
	}
}

// run runs the second command line with a fault at step n, and checks that it fails if
// it meets the fault.
func (w *writer) run(t *testing.T, n int, cause syscall.Errno, lasting bool) (step string, hit bool) {
	steps := 0
	restore := atomicfile.InjectFaults(func(op atomicfile.Op, path string) error {
		if steps++; steps < n || steps > n && !lasting {
			return nil
		}
		if !hit {
			step, hit = fmt.Sprintf("%s %s", op, path), true
		}
		return cause
	})
	defer restore()
	var out, errs bytes.Buffer
	code := gocaffecmd.Run(w.args[1], &out, &errs)
	if hit && (code != 1 || !strings.Contains(errs.String(), cause.Error()) || !strings.Contains(errs.String(), "out")) {
		t.Errorf("exit code %d, want 1 and an error that names the file and the cause: %q", code, errs.String())
	}
	return step, hit
}

// keep returns the files of a folder.
func keep(files map[string][]byte) map[string][]byte {
	if data, ok := files[".keep"]; ok {
		return map[string][]byte{".keep": data}
	}
	return nil
}

// put makes out contain exactly the files; without files, it removes the folder.
func put(t *testing.T, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll("out"); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		write(t, filepath.Join("out", filepath.FromSlash(name)), data)
	}
}
