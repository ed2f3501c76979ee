package imagelist

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list.txt")
	text := "a.png 3\nmy photos/b c.jpg -1\r\n\n  \nlast.png 2147483647   "
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), name)
	want := []Item{{"a.png", 3, 1}, {"my photos/b c.jpg", -1, 2}, {"last.png", 2147483647, 5}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v, want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"a.png 3\nb.png":         `:2: got "b.png", want a path, a space and a label`,
		" 3":                     `:1: got " 3", want a path`,
		"a.png three":            `:1: label "three", want a whole number`,
		"a.png 2147483648":       `:1: label "2147483648", want a whole number`,
		"a.png 1.5":              `:1: label "1.5"`,
		strings.Repeat("x", 3e6): ":1: ",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(t.Context(), name); err == nil || !strings.HasPrefix(err.Error(), name+want) {
			t.Errorf("%.20q: got %.200v, want %s%s", text, err, name, want)
		}
	}
	if _, err := Read(t.Context(), name+"x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestExplain(t *testing.T) {
	absent := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	for path, labels := range map[string]string{
		"a.png": "", "a 1/b.png": "", "my photo.png": "", "1": "", "a.png 0": "2 labels", "a.png 0.5 -1 0": "4 labels", "a b 3": "2 labels",
	} {
		it := Item{Path: path}
		got := it.Explain(absent)
		if !errors.Is(got, fs.ErrNotExist) || labels == "" && got != error(absent) || labels != "" && !strings.Contains(got.Error(), "if the line has "+labels) {
			t.Errorf("%s: %v, want %q", path, got, labels)
		}
		if other := errors.New("other"); it.Explain(other) != other {
			t.Errorf("%s: another error is changed", path)
		}
	}
}

// archives writes the same files as a folder, a tar file and a compressed one.
func archives(t *testing.T, files map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "./sub/", Typeflag: tar.TypeDir, Mode: 0o755})
	for name, content := range files {
		path := filepath.Join(dir, "folder", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		w.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(content)), Mode: 0o644})
		w.Write([]byte(content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(b.Bytes())
	z.Close()
	for name, content := range map[string][]byte{"a.tar": b.Bytes(), "a.tar.gz": zipped.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{filepath.Join(dir, "folder"), filepath.Join(dir, "a.tar"), filepath.Join(dir, "a.tar.gz")}
}

func TestFiles(t *testing.T) {
	files := map[string]string{"a": "first", "sub/b": strings.Repeat("second", 3000), "sub/empty": ""}
	for _, root := range archives(t, files) {
		scratch := t.TempDir()
		f, err := Open(t.Context(), root, scratch)
		if err != nil {
			t.Fatal(err)
		}
		var buf []byte
		for name, want := range files {
			if buf, err = f.ReadFile(name, buf); err != nil || string(buf) != want {
				t.Errorf("%s: %s has %d bytes, error %v, want %d", root, name, len(buf), err, len(want))
			}
		}
		for _, name := range []string{"absent", "sub/absent"} {
			if _, err := f.ReadFile(name, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v, want a not-exist error that names %s", root, err, name)
			}
		}
		if _, err := f.ReadFile("sub", nil); err == nil {
			t.Errorf("%s: a folder was read as a file", root)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Errorf("%s: %v is left", root, left)
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	roots := archives(t, map[string]string{"a": strings.Repeat("first", 1000)})
	scratch := t.TempDir()
	for _, root := range roots[1:] {
		whole, err := os.ReadFile(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 20, len(whole) / 2} {
			if err := os.WriteFile(root, whole[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := Open(t.Context(), root, scratch)
			if err == nil {
				_, err = f.ReadFile("a", nil)
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), root) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d of %d bytes: got %v, want one line that names the archive", n, len(whole), err)
			}
		}
		if err := os.WriteFile(root, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, root, scratch); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want a cancelled context", root, err)
		}
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestArchiveEnd has archives with too little and too much at the end, and one with
// a flipped bit.
func TestArchiveEnd(t *testing.T) {
	roots := archives(t, map[string]string{"a": strings.Repeat("first", 1000)})
	packed, err := os.ReadFile(roots[2])
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(roots[1])
	if err != nil {
		t.Fatal(err)
	}
	const end = 512 + 512 + 5120 // a folder, a header, 5000 bytes of content in whole blocks
	flipped := bytes.Clone(packed)
	flipped[len(flipped)-6] ^= 1 // in the checksum of gzip
	for name, test := range map[string]struct {
		archive []byte
		want    string // "" for none
	}{
		"as it is":           {whole, ""},
		"one block of zeros": {whole[:end+512], ""},
		"more zeros":         {append(bytes.Clone(whole), make([]byte, 70000)...), ""},
		"no end":             {whole[:end], "the tar archive has no end mark: is it cut short?"},
		"something behind":   {append(append(bytes.Clone(whole), make([]byte, 70000)...), 1), "the tar archive has no end mark, or something after it"},
		"two archives":       {append(bytes.Clone(whole), whole...), "the tar archive has no end mark, or something after it"},
		"gzip":               {packed, ""},
		"gzip, flipped":      {flipped, "gzip: invalid checksum"},
		"gzip, surplus":      {append(bytes.Clone(packed), "surplus bytes"...), "gzip: invalid header"},
		"gzip, cut":          {packed[:len(packed)-1], "unexpected EOF"},
	} {
		file := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(file, test.archive, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(t.Context(), file, t.TempDir())
		if err == nil {
			f.Close()
		}
		if (err == nil) != (test.want == "") || err != nil && (!strings.HasPrefix(err.Error(), file) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
