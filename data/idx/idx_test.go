package idx

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// file returns an IDX file of bytes with the given sizes.
func file(content []byte, sizes ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(sizes))}
	for _, n := range sizes {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(b, content...)
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReader(t *testing.T) {
	images := file([]byte("abcdefghijkl"), 2, 3, 2)
	for name, b := range map[string][]byte{"plain": images, "gzip": zipped(t, images)} {
		r, err := NewReader(bytes.NewReader(b), name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Items != 2 || !slices.Equal(r.Shape, []int{3, 2}) || r.ItemSize() != 6 {
			t.Errorf("%s: %d items of shape %v", name, r.Items, r.Shape)
		}
		item := make([]byte, 6)
		for _, want := range []string{"abcdef", "ghijkl"} {
			if err := r.Next(item); err != nil || string(item) != want {
				t.Errorf("%s: item %q, error %v, want %q", name, item, err, want)
			}
		}
		if err := r.Next(item); err != io.EOF {
			t.Errorf("%s: after the last item: %v, want io.EOF", name, err)
		}
	}
}

func TestReaderErrors(t *testing.T) {
	for _, test := range []struct {
		file []byte
		want string
	}{
		{nil, "the IDX file ends before its magic number"},
		{[]byte("\x89PNG...."), "not an IDX file of bytes: magic number 0x89504e47"},
		{[]byte{0, 0, 0x0d, 1, 0, 0, 0, 1}, "not an IDX file of bytes"}, // floats
		{file(nil), "not an IDX file of bytes"},
		{file(nil, 3, 2)[:10], "the IDX file ends before the sizes of its axes"},
		{file([]byte("abc"), 2, 2), "the IDX file ends before item 1 of 2: is it cut short?"},
		{file(nil, 1, 1<<31, 1<<31), "the items of the IDX file have size 2147483648 on axis 1"},
		{file(nil, 1, 1<<20, 1<<20), "the items of the IDX file have size 1048576 on axis 2"},
		{file(nil, 1, 0), "have size 0 on axis 1"},
		{file(nil, 1<<31, 1), "the header of the IDX file says 2147483648 items, want 1 to 2147483647"},
		{file(nil, 0, 2), "the header of the IDX file says 0 items"},
		{file([]byte("abcde"), 2, 2), "the IDX file goes on after item 1, the last of its header"},
		{zipped(t, file([]byte("abcde"), 2, 2)), "the IDX file goes on after item 1, the last of its header"},
		{append(zipped(t, file([]byte("abcd"), 2, 2)), "surplus"...), "the compressed file is damaged, or has more in it, after item 1, the last: "},
		{append(zipped(t, file([]byte("abcd"), 2, 2)), zipped(t, []byte("more"))...), "the IDX file goes on after item 1, the last of its header"},
		{zipped(t, file([]byte("abcd"), 2, 2))[:20], "name: "},
		{[]byte{0x1f, 0x8b, 1, 2}, "name: "},
	} {
		r, err := NewReader(bytes.NewReader(test.file), "name")
		for err == nil {
			err = r.Next(make([]byte, r.ItemSize()))
		}
		if !strings.HasPrefix(err.Error(), "name: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one line of the file with %q", err, test.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of an absent file: %v", err)
	}
}

// A header that says more than the file has must not cost memory.
func TestFalseSize(t *testing.T) {
	b := file([]byte("abc"), 1, 1<<14, 1<<14)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewReader(bytes.NewReader(b), "name")
	runtime.ReadMemStats(&after)
	if want := "the IDX file ends before item 0 of 1"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", got, len(b))
	}
}

// TestDamagedGzip flips each bit of a compressed file, and cuts it short at each
// byte: an error, or the same items.
func TestDamagedGzip(t *testing.T) {
	content := []byte(strings.Repeat("an image of MNIST ", 40))
	whole := zipped(t, file(content, 40, 18))
	read := func(b []byte) ([]byte, error) {
		r, err := NewReader(bytes.NewReader(b), "name")
		if err != nil {
			return nil, err
		}
		var all []byte
		for range r.Items {
			item := make([]byte, r.ItemSize())
			if err := r.Next(item); err != nil {
				return nil, err
			}
			all = append(all, item...)
		}
		return all, nil
	}
	errs := 0
	for i := range 8 * len(whole) {
		b := bytes.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		got, err := read(b)
		if err == nil && !bytes.Equal(got, content) {
			t.Errorf("with bit %d of %d flipped, other items are read", i, 8*len(whole))
		}
		if err != nil {
			errs++
		}
	}
	// The header of gzip, 10 bytes, has a time and other things of no importance.
	if want := 8 * (len(whole) - 10); errs < want {
		t.Errorf("%d of %d flipped bits are noticed, want %d", errs, 8*len(whole), want)
	}
	for n := range whole {
		if _, err := read(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are read without an error", n, len(whole))
		}
	}
}

func TestOpenMNIST(t *testing.T) {
	r, err := Open(reference.Data(t, "mnist/t10k-images-idx3-ubyte.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Items != 10000 || !slices.Equal(r.Shape, []int{28, 28}) {
		t.Errorf("%d items of shape %v, want 10000 of [28 28]", r.Items, r.Shape)
	}
}

// FuzzIDX reads any bytes. What can be read gives the same file when it is
// written again.
func FuzzIDX(f *testing.F) {
	f.Add(file([]byte("abcdefghijkl"), 2, 3, 2))
	f.Add(file([]byte{7, 2, 1}, 3))
	f.Add(file([]byte("abc"), 2, 2))
	f.Add(zipped(f, file([]byte{7}, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b), "name")
		if err != nil {
			return
		}
		if r.ItemSize() > 1<<20 || r.Items > 1<<16 {
			return // fine, but slow
		}
		sizes := []uint32{uint32(r.Items)}
		for _, n := range r.Shape {
			sizes = append(sizes, uint32(n))
		}
		var content []byte
		item := make([]byte, r.ItemSize())
		for err = r.Next(item); err == nil; err = r.Next(item) {
			content = append(content, item...)
		}
		if err == io.EOF && b[0] == 0 {
			if again := file(content, sizes...); !bytes.Equal(b, again) {
				t.Fatalf("%x is read as %x", b, again)
			}
		}
	})
}
