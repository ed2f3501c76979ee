package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/numpytest"
)

// counting returns an array of 0.5, 1.5, 2.5, ...
func counting(shape ...int) Array {
	count, err := elements(shape)
	if err != nil {
		panic(err)
	}
	a := Array{shape, make([]float32, count)}
	for i := range a.Data {
		a.Data[i] = float32(i) + 0.5
	}
	return a
}

// same reports whether two arrays are equal to the bit.
func same(a, b Array) bool {
	return slices.Equal(a.Shape, b.Shape) && slices.EqualFunc(a.Data, b.Data, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y)
	})
}

func write(t testing.TB, a Array) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, a); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestWrite compares with the bytes that NumPy writes.
func TestWrite(t *testing.T) {
	const dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"
	want := "\x93NUMPY\x01\x00\x76\x00" + dict + strings.Repeat(" ", 128-10-1-len(dict)) + "\n" + "\x00\x00\x80\x3f\x00\x00\x00\xc0"
	if got := write(t, Array{[]int{2, 1}, []float32{1, -2}}); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	special := Array{[]int{6}, []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32,
		math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}}
	arrays := []Array{counting(), counting(0), counting(1), counting(5), counting(2, 3), counting(2, 0, 3), counting(2, 3, 4, 5), counting(3, 1<<14+1), special}
	for _, a := range arrays {
		got, err := Read(bytes.NewReader(write(t, a)))
		if err != nil || !same(got, a) {
			t.Errorf("an array of shape %v comes back as %v, %.60v, %v", a.Shape, got.Shape, got.Data, err)
		}
	}
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := os.WriteFile(path, archive(t, arrays), 0o666); err != nil {
		t.Fatal(err)
	}
	named, err := ReadFile(path)
	if err != nil || len(named) != len(arrays) {
		t.Fatalf("%d of %d arrays, %v", len(named), len(arrays), err)
	}
	for i, n := range named {
		if n.Name != fmt.Sprintf("a/%d.0", i) || !same(n.Array, arrays[i]) {
			t.Errorf("array %d is %q of shape %v", i, n.Name, n.Shape)
		}
	}
	if again := archive(t, arrays); !bytes.Equal(again, archive(t, arrays)) {
		t.Error("the same arrays make other bytes")
	}
}

// archive returns a .npz file of arrays named a/0.0, a/1.0, ...
func archive(t testing.TB, arrays []Array) []byte {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter(&file)
	for i, a := range arrays {
		if err := w.Write(fmt.Sprintf("a/%d.0", i), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// file returns a .npy file of version 1.0 with the entries of a header.
func file(entries string, data ...any) []byte {
	text := "{" + entries + "}\n"
	b := append([]byte(magic+"\x01\x00"), byte(len(text)), byte(len(text)>>8))
	b = append(b, text...)
	for _, d := range data {
		b, _ = binary.Append(b, binary.LittleEndian, d)
	}
	return b
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		file  []byte
		shape []int
		want  []float32
	}{
		{"entries in another order", file(`'shape': (2,), 'fortran_order': False, 'descr': '<f4'`, []float32{1, 2}), []int{2}, []float32{1, 2}},
		{"Python 2", file(`'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), `, []float32{1, 2}), []int{1, 2}, []float32{1, 2}},
		{"float64", file(`'descr': '<f8', 'fortran_order': False, 'shape': (2,)`, []float64{1.5, 1e300}), []int{2}, []float32{1.5, float32(math.Inf(1))}},
		{"big-endian", file(`'descr': '>f4', 'fortran_order': False, 'shape': ()`, []byte{0x3f, 0x80, 0, 0}), nil, []float32{1}},
		{"int8", file(`'descr': '|i1', 'fortran_order': False, 'shape': (2,)`, []int8{-3, 4}), []int{2}, []float32{-3, 4}},
		{"uint16", file(`'descr': '<u2', 'fortran_order': False, 'shape': (1,)`, []uint16{65535}), []int{1}, []float32{65535}},
		{"int64", file(`'descr': '<i8', 'fortran_order': False, 'shape': (2,)`, []int64{-7, 1 << 40}), []int{2}, []float32{-7, 1 << 40}},
		{"Fortran's order", file(`'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)`, []float32{0, 3, 1, 4, 2, 5}), []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
	} {
		got, err := Read(bytes.NewReader(tt.file))
		if err != nil || !same(got, Array{tt.shape, tt.want}) {
			t.Errorf("%s: %v, %v, want %v, %v", tt.name, got, err, tt.shape, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	const f4, c = `'descr': '<f4', `, `'fortran_order': False, `
	good := file(f4+c+`'shape': (2,)`, []float32{1, 2})
	for _, tt := range []struct {
		file []byte
		want string
	}{
		{nil, `npy: not a .npy file: it does not begin with \x93NUMPY`},
		{[]byte("PK\x03\x04 and more"), `npy: not a .npy file: it does not begin with \x93NUMPY`},
		{[]byte(magic + "\x04\x00\x01\x00"), "npy: the file is of version 4.0 of the format, want 1.0, 2.0 or 3.0"},
		{[]byte(magic + "\x02\x00\x01\x00\x01\x00"), "npy: the header has 65537 bytes, want at most 65536"},
		{good[:9], "npy: the file ends within its header"},
		{good[:30], "npy: the file ends within its header"},
		{good[:len(good)-1], "npy: the file ends within the elements, want 2 of 4 bytes"},
		{file(f4 + c), `npy: header "{'descr': '<f4', 'fortran_order': False, }" lacks 'descr', 'fortran_order' or 'shape'`},
		{file(`'descr': [('a', '<f4')], ` + c + `'shape': (2,)`), "npy: the elements have fields, want one number each"},
		{file(`'descr': '<f2', ` + c + `'shape': (2,)`), `npy: elements of type "<f2" are not supported, want float32 or float64 (f4, f8), integers or booleans`},
		{file(`'descr': '|O', ` + c + `'shape': (2,)`), `npy: elements of type "|O" are not supported, want float32 or float64 (f4, f8), integers or booleans`},
		{file(f4 + c + `'shape': (2 3,)`), `npy: size "2 3" in the shape is not a number or too large`},
		{file(f4 + c + `'shape': (99999999999999999999,)`), `npy: size "99999999999999999999" in the shape is not a number or too large`},
		{file(f4 + c + `'shape': (65536, 65536)`), "npy: shape [65536 65536] has more than 2147483647 elements"},
		{file(f4 + c + `'shape': (2147483647,)`), "npy: the file ends within the elements, want 2147483647 of 4 bytes"},
	} {
		if _, err := Read(bytes.NewReader(tt.file)); err == nil || err.Error() != tt.want {
			t.Errorf("%.60q: error %v, want %s", tt.file, err, tt.want)
		}
	}
	if _, err := Read(io.MultiReader(bytes.NewReader(good[:50]), failing{})); !errors.Is(err, errDisk) {
		t.Errorf("a failing reader gives %v", err)
	}
}

var errDisk = errors.New("the disk is broken")

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errDisk }
func (failing) Write([]byte) (int, error) { return 0, errDisk }

func TestWriteRefuses(t *testing.T) {
	for _, tt := range []struct {
		array Array
		want  string
	}{
		{Array{[]int{2, 2}, make([]float32, 3)}, "npy: shape [2 2] has 4 elements, got 3"},
		{Array{[]int{-1}, nil}, "npy: shape [-1] has a negative size"},
	} {
		if err := Write(io.Discard, tt.array); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
	if err := Write(failing{}, counting(2)); !errors.Is(err, errDisk) {
		t.Errorf("a failing writer gives %v", err)
	}
	w := NewWriter(io.Discard)
	if err := w.Write("x", counting(2)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write("x", counting(2)); err == nil || err.Error() != `npy: there are two arrays of the name "x"` {
		t.Errorf("error %v", err)
	}
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	good := archive(t, []Array{counting(2, 3)})
	damaged := bytes.Clone(good)
	damaged[bytes.Index(damaged, []byte("\n"))+4] ^= 1 // in an element
	renamed := bytes.Clone(good)                       // in the directory, which has no checksum
	renamed[bytes.LastIndex(good, []byte("a/0.0.npy"))] = 'b'
	var longer bytes.Buffer
	w := zip.NewWriter(&longer)
	entry, err := w.Create("x.npy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(append(write(t, counting(2)), 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		contents []byte
		want     string
	}{
		"longer":  {longer.Bytes(), `longer: array "x": npy: there is more than the array`},
		"text":    {[]byte("text"), "text: not a .npz file or a damaged one: zip: not a valid zip file"},
		"short":   {good[:len(good)-10], "short: not a .npz file or a damaged one: zip: not a valid zip file"},
		"damaged": {damaged, `damaged: array "a/0.0": zip: checksum error`},
		"renamed": {renamed, `renamed: array "b/0.0": npy: the directory of the .npz file names the array and its own header does not: the file is damaged`},
		"other":   {bytes.ReplaceAll(good, []byte("a/0.0.npy"), []byte("a/0.0.txt")), `other: entry "a/0.0.txt" is not a .npy file`},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, tt.contents, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err == nil || err.Error() != dir+string(filepath.Separator)+tt.want {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v of a file that is not there", err)
	}
}

// TestNumPy lets NumPy read what Write writes, and Read what NumPy writes.
func TestNumPy(t *testing.T) {
	python := numpytest.Python(t)
	dir := t.TempDir()
	arrays := []Array{counting(), counting(5), counting(2, 0, 3), counting(2, 3, 4, 5)}
	for name, contents := range map[string][]byte{"one.npy": write(t, arrays[3]), "all.npz": archive(t, arrays)} {
		if err := os.WriteFile(filepath.Join(dir, name), contents, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const script = `
import numpy as np
def counting(*shape): return np.arange(np.prod(shape, dtype=int), dtype='f4').reshape(shape) + np.float32(0.5)
def check(a, *shape):
    assert a.dtype == np.float32 and a.shape == shape and a.flags.c_contiguous and (a == counting(*shape)).all(), (a.dtype, a.shape, a)
check(np.load('one.npy'), 2, 3, 4, 5)
all = np.load('all.npz')
assert all.files == ['a/0.0', 'a/1.0', 'a/2.0', 'a/3.0'], all.files
for name, shape in zip(all.files, [(), (5,), (2, 0, 3), (2, 3, 4, 5)]): check(all[name], *shape)
a = counting(2, 3, 4)
np.savez('stored.npz', f4=a, f8=a.astype('f8'), big=a.astype('>f4'), fortran=np.asfortranarray(a), scalar=np.float32(0.5))
np.savez_compressed('compressed.npz', **{'conv1.0': a, 'ints': np.arange(-3, 3), 'bytes': np.arange(3, dtype='u1'), 'flags': np.array([True, False])})
`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := counting(2, 3, 4)
	checkFile(t, filepath.Join(dir, "stored.npz"), []Named{
		{"f4", want}, {"f8", want}, {"big", want}, {"fortran", want}, {"scalar", counting()},
	})
	checkFile(t, filepath.Join(dir, "compressed.npz"), []Named{
		{"conv1.0", want}, {"ints", Array{[]int{6}, []float32{-3, -2, -1, 0, 1, 2}}},
		{"bytes", Array{[]int{3}, []float32{0, 1, 2}}}, {"flags", Array{[]int{2}, []float32{1, 0}}},
	})
}

func checkFile(t *testing.T, path string, want []Named) {
	t.Helper()
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, func(a, b Named) bool { return a.Name == b.Name && same(a.Array, b.Array) }) {
		t.Errorf("%s: got %v, want %v", path, got, want)
	}
}

// FuzzRead reads any bytes: what is read and written comes back the same.
func FuzzRead(f *testing.F) {
	f.Add(write(f, counting(2, 3)))
	f.Add(write(f, counting()))
	f.Add(file(`'descr': '>f8', 'fortran_order': True, 'shape': (2L, 1)`, []float64{1, 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(write(t, a)))
		if err != nil || !same(again, a) {
			t.Errorf("%v comes back as %v, %v", a, again, err)
		}
	})
}

// TestAppender appends items to a file and reads it back.
func TestAppender(t *testing.T) {
	for _, item := range [][]int{{}, {3}, {2, 1, 4}, {100000, 1, 1, 1, 2}} {
		file, err := os.Create(filepath.Join(t.TempDir(), "x.npy"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		a, err := NewAppender(file, item)
		if err != nil {
			t.Fatal(err)
		}
		size := 1
		for _, n := range item {
			size *= n
		}
		var want []float32
		for batch := range 3 {
			items := make([]float32, (batch+1)*size)
			for i := range items {
				items[i] = float32(len(want) + i)
			}
			want = append(want, items...)
			if err := a.Append(items); err != nil {
				t.Fatal(err)
			}
		}
		if size > 1 {
			if err := a.Append(make([]float32, size+1)); err == nil {
				t.Error("an item and a part of one are no error")
			}
		}
		if err := a.Close(); err != nil || a.Items() != 6 {
			t.Fatalf("%d items, %v", a.Items(), err)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := Read(file)
		if err != nil || !slices.Equal(got.Shape, append([]int{6}, item...)) || !slices.Equal(got.Data, want) {
			t.Errorf("items %v: read shape %v, %d elements, %v", item, got.Shape, len(got.Data), err)
		}
	}
	if _, err := NewAppender(new(os.File), []int{1 << 30, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}); err == nil {
		t.Error("23 sizes are no error")
	}
}
