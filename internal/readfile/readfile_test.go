package readfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	want := []byte("some text")
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	readers := map[string]func(string) ([]byte, error){
		"All":  func(path string) ([]byte, error) { return All(path, 9) },
		"Text": func(path string) ([]byte, error) { return Text(t.Context(), path) },
	}
	for name, read := range readers {
		if got, err := read(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
		if got, err := read(empty); err != nil || len(got) > 0 {
			t.Errorf("%s of an empty file: got %q, error %v", name, got, err)
		}
		for path, want := range map[string]string{path + " ": `"` + path + ` ": no such file`, "no x": `"no x": no such file (working directory ` + dir + ")"} {
			if _, err := read(path); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
				t.Errorf("%s of an absent file: %v, want %s", name, err, want)
			}
		}
		if _, err := read(dir); err == nil || !strings.Contains(err.Error(), dir+" is a folder") {
			t.Errorf("%s of a folder: %v", name, err)
		}
	}
	if _, err := All(path, 8); err == nil || !strings.Contains(err.Error(), "has 9 bytes, want at most 8") {
		t.Errorf("a file above the limit: %v", err)
	}
}

func TestFill(t *testing.T) {
	buf := make([]byte, 2, 100)
	got, err := Fill(strings.NewReader("abcdef"), "x", 5, buf)
	if err != nil || string(got) != "abcde" || &got[0] != &buf[0] {
		t.Errorf("got %q, error %v, want abcde in the same storage", got, err)
	}
	if _, err := Fill(strings.NewReader("abc"), "x", 5, nil); err == nil || !strings.Contains(err.Error(), "x became shorter while it was read: 3 of 5") {
		t.Errorf("too short: %v", err)
	}
}

// TestCancelled reads from a device that delivers nothing, if there is one.
func TestCancelled(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	p := newPipe(ctx, r, "pipe", true, 1<<20)
	defer p.Close()
	w.WriteString("abc")
	b := make([]byte, 10)
	if n, err := p.Read(b); n != 3 || err != nil {
		t.Fatalf("%d bytes, error %v, want 3", n, err)
	}
	if _, err := p.Read(b); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}
