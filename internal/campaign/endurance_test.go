package campaign

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// use is the resource use of a process.
type use struct {
	heap, resident  int64 // bytes
	routines, files int
}

// measure returns the resource use of this process. Without /proc, resident and files
// are 0.
func measure() use {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := use{heap: int64(m.HeapAlloc), routines: runtime.NumGoroutine()}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.files = len(entries)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			u.resident = kb << 10
		}
	}
	return u
}

func (u use) String() string {
	return fmt.Sprintf("heap %.2f MB, resident %.1f MB, %d goroutines, %d files", float64(u.heap)/1e6, float64(u.resident)/1e6, u.routines, u.files)
}

// TestEndurance trains for -iterations, with a display, a test and a snapshot every few:
// 200,000 stand for a day of training. After the first tenth, memory must not grow, and
// the numbers of goroutines and open files must not change.
func TestEndurance(t *testing.T) {
	const parts = 10
	n := max(1, *iterations/parts)
	dir := t.TempDir()
	every := max(1, n/10) // 100 snapshots, whatever the length
	trainFixture(t, dir, fmt.Sprintf("max_iter: %d\nsnapshot: %d\nlr_policy: \"step\"\nstepsize: 1000\ngamma: 0.9\n", n*parts, every))
	t.Chdir(dir)
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	workers := parallel.NewPool(2)
	defer workers.Close()
	lines := 0
	s, err := solver.New(file, solver.Options{Workers: workers, Observer: event.Multi(caffelog.New(func(event.Level, string, string) { lines++ }),
		event.Func(func(e any) {
			if s, ok := e.(*solver.Snapshotted); ok { // earlier ones are not needed
				os.Remove(s.Model)
				os.Remove(s.State)
			}
		}))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var first use
	for part := range parts {
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		u := measure()
		t.Logf("iteration %d: %v, %d lines of log", s.Iter(), u, lines)
		if part == 0 {
			first = u
			continue
		}
		if u.heap > first.heap+first.heap/10+1<<20 {
			t.Errorf("the heap grows from %d to %d bytes", first.heap, u.heap)
		}
		if u.resident > first.resident+first.resident/5+16<<20 {
			t.Errorf("the resident memory grows from %d to %d bytes", first.resident, u.resident)
		}
		if u.routines > first.routines || u.files > first.files {
			t.Errorf("goroutines and files: %d and %d, were %d and %d", u.routines, u.files, first.routines, first.files)
		}
	}
	if left, _ := filepath.Glob("snap/*s_iter_*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
