package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"first", "second"} {
		if err := WriteBytes(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	err := Write(path, func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want one that names %s and wraps %v", err, path, broken)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file is now %q, want it untouched", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are in the folder, want only the old one", len(entries))
	}
}

func TestWriteToAbsentFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "f")
	err := WriteBytes(path, nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("got %v, want a not-exist error that names %s alone", err, path)
	}
}

// The temporary files of a killed process are removed when the file is written
// again; those of other processes are kept.
func TestCreateCleans(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	process := fmt.Sprintf(".p%d.", os.Getpid())
	temp := func(base, pid string) string {
		name := strings.Replace(strings.Replace(TempPattern(base), "*", "77", 1), process, pid, 1)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const gone = ".p4194999." // above the greatest process number of Linux
	dead, mine, other := temp("f", gone), temp("f", process), temp("g", gone)
	if err := WriteBytes(path, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{dead: false, mine: true, other: true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %v", name, err, want)
		}
	}
}
