package imagelist

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzRead reads lists. What is read and written as a list is read as the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a.png 0\nb c.png\t12 \r\n\n"), 1, false)
	f.Add([]byte("\xef\xbb\xbfa 1 2 3\nb 4 5 6\n"), 0, false)
	f.Add([]byte("a 0.5 -1e3\n"), 2, true)
	f.Add([]byte("\xff\xfea\x00 \x001\x00"), 1, false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, labels int, float bool) {
		path := filepath.Join(dir, "list")
		read := func(b []byte, o Options) (*List, error) {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			return Read(t.Context(), path, o)
		}
		l, err := read(b, Options{Labels: labels, Float: float})
		if err != nil {
			return
		}
		again := []byte("\xef\xbb\xbf")
		for i, item := range l.Items {
			again = append(again, item.Path...)
			for _, v := range l.Labels(i) {
				again = fmt.Append(again, " ", v)
			}
			again = append(again, '\n')
		}
		if float || len(l.Items) == 0 || l.PerLine() > 1000 {
			return // numbers that Go prints with an exponent are no whole numbers
		}
		if slices.ContainsFunc(l.labels, func(v float64) bool { return v >= 1e6 || v <= -1e6 }) {
			return
		}
		same, err := read(again, Options{Labels: l.PerLine(), Float: float})
		if err != nil {
			t.Fatalf("%q was read, not %q: %v", b, again, err)
		}
		equal := func(a, b Item) bool { return a.Path == b.Path }
		if !slices.EqualFunc(l.Items, same.Items, equal) || !slices.Equal(l.labels, same.labels) {
			t.Errorf("%q is %v %v and %q is %v %v", b, l.Items, l.labels, again, same.Items, same.labels)
		}
	})
}

// FuzzArchive opens tar archives, gzipped or not, and reads all that is in them. No
// temporary file stays.
func FuzzArchive(f *testing.F) {
	for _, root := range archives(f, map[string]string{"a": "first", "sub/b": "second"})[1:] {
		b, err := os.ReadFile(root)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path, scratch := filepath.Join(dir, "archive"), filepath.Join(dir, "scratch")
		if err := os.MkdirAll(scratch, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		files, err := Open(t.Context(), path, scratch)
		if err == nil {
			total := 0
			for name, e := range files.(*archive).entries {
				data, err := files.ReadFile(name, nil)
				if err == nil && int64(len(data)) != e.size {
					t.Errorf("%q has %d bytes, want %d", name, len(data), e.size)
				}
				total += len(data)
			}
			if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) && total > len(b)*len(files.(*archive).entries) {
				t.Errorf("%d bytes came out of %d", total, len(b))
			}
			if err := files.Close(); err != nil {
				t.Error(err)
			}
		}
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
}
