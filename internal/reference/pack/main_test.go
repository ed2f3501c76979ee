package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestUpdate packs a folder, and again after each change.
func TestUpdate(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "set.zip")
	if err := update(filepath.Join(dir, "absent"), file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("an absent folder is packed")
	}
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	packed := func() []byte {
		t.Helper()
		if err := update(dir, file); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	write("ReLU/basic/net.prototxt", "one")
	write("ReLU/basic/tolerance.txt", "two")
	first := packed()
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(z, "ReLU/basic/tolerance.txt"); err != nil || string(text) != "two" || len(z.File) != 2 {
		t.Errorf("%d files, one with %q, error %v; want 2 and two", len(z.File), text, err)
	}

	// The same content in other bytes, as another version of Go may write it.
	other := append(first[:len(first)-2:len(first)-2], 1, 0, '.') // with a comment
	if err := os.WriteFile(file, other, 0o666); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(packed(), other) {
		t.Error("a zip file that is up to date is written again")
	}
	for name, content := range map[string]string{"ReLU/basic/net.prototxt": "changed", "ReLU/new/net.prototxt": "one"} {
		before := packed()
		write(name, content)
		if bytes.Equal(packed(), before) {
			t.Errorf("%s is not packed", name)
		}
	}
	before := packed()
	if err := os.Remove(filepath.Join(dir, "ReLU", "new", "net.prototxt")); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(packed(), before) {
		t.Error("a removed file stays in the zip file")
	}
}
