package sysmem

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParse(t *testing.T) {
	got, ok := parse("MemTotal:       1000 kB\nMemFree:         1 kB\nMemAvailable:    600 kB\nSwapTotal:       50 kB\nHugePages_Total:       0\n")
	if want := (Info{Available: 600 << 10, Total: 1050 << 10}); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	if _, ok := parse("nonsense"); ok {
		t.Error("nonsense is taken for memory")
	}
}

func TestCgroup(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a/b/memory.max", "max\n")
	if _, _, found := cgroup(root, "/a/b"); found {
		t.Error("no limit is taken for one")
	}
	write("a/memory.max", "4096\n")
	write("a/memory.current", "1000\n")
	if limit, used, found := cgroup(root, "/a/b"); !found || limit != 4096 || used != 1000 {
		t.Errorf("got %d, %d, %v, want the limit above", limit, used, found)
	}
}

func TestRead(t *testing.T) {
	info, ok := Read()
	if !ok || info.Available > info.Total || info.Total < 64<<20 {
		t.Errorf("got %+v, %v", info, ok)
	}
}
