package hdf5_test

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
)

func open(t testing.TB, path string) *hdf5.File {
	t.Helper()
	f, err := hdf5.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestGolden reads files that Caffe and h5py have written: floats, compressed
// doubles and integers in chunks.
func TestGolden(t *testing.T) {
	hdf5test.Need(t)
	root := reference.Golden(t, "formats")
	f := open(t, filepath.Join(root, "weights", "model.caffemodel.h5"))
	members, err := f.Members("/data")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bn", "conv1", "conv_prelu_0_split", "data", "ip1", "ip2", "prelu", "scale", "sum"}; !slices.Equal(members, want) {
		t.Errorf("members %q, want %q", members, want)
	}
	d, err := f.Dataset("data/prelu/0")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Shape()) != 0 || d.Count() != 1 || d.Class() != hdf5.Float {
		t.Errorf("prelu: shape %v, class %v, want a scalar float", d.Shape(), d.Class())
	}

	golden := reference.Arrays(t, filepath.Join(root, "hdf5_data", "golden.binaryproto"))
	var rows int
	for _, name := range []string{"a.h5", "b.h5", "c.h5"} {
		f := open(t, filepath.Join(root, "hdf5_data", name))
		for top, set := range []string{"data", "label", "extra"} {
			d, err := f.Dataset(set)
			if err != nil {
				t.Fatal(err)
			}
			all := make([]float32, d.Count())
			if err := d.Read(all); err != nil {
				t.Fatal(err)
			}
			n := d.Shape()[0]
			row := d.Count() / n
			for i := range n { // batches of 6 rows
				want := golden["tops_"+string(rune('0'+(rows+i)/6))][top].Data[(rows+i)%6*row:][:row]
				if !slices.Equal(all[i*row:][:row], want) {
					t.Errorf("%s: row %d of %s differs from Caffe's", name, i, set)
				}
			}
			part := make([]float32, 2*row)
			if err := d.ReadRows(n-2, 2, part); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(part, all[(n-2)*row:]) {
				t.Errorf("%s: the last two rows of %s are %v by themselves, %v of all", name, set, part, all[(n-2)*row:])
			}
		}
		d, err := f.Dataset("data")
		if err != nil {
			t.Fatal(err)
		}
		rows += d.Shape()[0]
	}
}

// TestRoundTrip reads back what it has written.
func TestRoundTrip(t *testing.T) {
	hdf5test.Need(t)
	path := filepath.Join(t.TempDir(), "x.h5")
	numbers := []float32{1, -2.5, float32(math.Inf(1)), math.SmallestNonzeroFloat32, 0, 7}
	write := func() {
		w, err := hdf5.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		rows, err := w.Rows("rows", []int{2})
		for _, err := range []error{
			err, rows.Append(2, numbers[:4]), rows.Append(0, nil), rows.Append(1, numbers[4:]),
			w.Group("/empty/group"), w.Group("/empty"),
			w.Write("/data/a/b/0", []int{2, 3}, numbers),
			w.Write("scalar", nil, numbers[1:2]),
			w.Write("none", []int{0, 3}, nil),
			w.WriteInt("int", -5), w.WriteText("text", "häuser"), w.WriteText("no text", ""),
			w.WriteBytes("bytes", []byte{0, 255, 7}), w.WriteBytes("no bytes", nil),
			w.Commit(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	first, _ := os.ReadFile(path)
	write()
	if second, _ := os.ReadFile(path); !slices.Equal(first, second) {
		t.Error("two files of the same content differ")
	}

	f := open(t, path)
	for _, c := range []struct {
		path  string
		shape []int
		want  []float32
	}{
		{"data/a/b/0", []int{2, 3}, numbers},
		{"scalar", nil, numbers[1:2]},
		{"none", []int{0, 3}, []float32{}},
		{"rows", []int{3, 2}, numbers},
		{"int", []int{1}, []float32{-5}},
		{"bytes", []int{3}, []float32{0, 255, 7}},
	} {
		d, err := f.Dataset(c.path)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, d.Count())
		if err := d.Read(got); err != nil || !slices.Equal(got, c.want) || !slices.Equal(d.Shape(), c.shape) {
			t.Errorf("%s: %v of shape %v, error %v; want %v of shape %v", c.path, got, d.Shape(), err, c.want, c.shape)
		}
	}
	if n, err := f.Int("int"); n != -5 || err != nil {
		t.Errorf("Int: %d, %v", n, err)
	}
	if s, err := f.Text("text"); s != "häuser" || err != nil {
		t.Errorf("Text: %q, %v", s, err)
	}
	if s, err := f.Text("no text"); s != "" || err != nil {
		t.Errorf("empty Text: %q, %v", s, err)
	}
	if b, err := f.Bytes("bytes"); string(b) != "\x00\xff\a" || err != nil {
		t.Errorf("Bytes: %q, %v", b, err)
	}
	for path, want := range map[string]hdf5.Kind{"/": hdf5.Group, "empty/group": hdf5.Group, "/data/a/b/0": hdf5.Numbers, "data/x/0": hdf5.Absent, "data/a/b/0/x": hdf5.Absent} {
		if got, err := f.Kind(path); got != want || (err != nil) != (path == "data/a/b/0/x") {
			t.Errorf("Kind(%q) = %v, %v; want %v", path, got, err, want)
		}
	}
}

// TestErrors reads files and datasets that are not what they should be.
func TestErrors(t *testing.T) {
	hdf5test.Need(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "x.h5")
	w, err := hdf5.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write("a", []int{3}, []float32{1, 2, 3}), w.WriteText("text", "x")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{w.Write("a", []int{3}, []float32{1, 2, 3}), `"a": H5Dcreate2: unable to create dataset: name already exists`},
		{w.Write("a/b", []int{1}, []float32{1}), `"a/b": H5Dcreate2`},
		{w.Write("b", []int{2}, []float32{1}), `"b": shape [2] has 2 elements, got 1`},
		{w.Write("b\x00", []int{1}, []float32{1}), `want a name without a zero byte`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || !strings.Contains(c.err.Error(), path) {
			t.Errorf("got error %v, want one with %q and %s", c.err, c.want, path)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file has its name before Commit: %v", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteInt("c", 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Commit: %v, want %v", err, os.ErrClosed)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files %v, want x.h5 only", entries)
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content string
		want    string
	}{
		"empty.h5":  {"", "0 bytes, not an HDF5 file"},
		"text.h5":   {strings.Repeat("a text ", 500), "3500 bytes, not an HDF5 file"},
		"cut.h5":    {string(whole[:len(whole)-9]), "not an HDF5 file or a damaged one: H5Fopen: unable to open file: truncated file"},
		"header.h5": {string(whole[:100]), "not an HDF5 file or a damaged one: H5Fopen: "},
	} {
		damaged := filepath.Join(dir, name)
		if err := os.WriteFile(damaged, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := hdf5.Open(damaged); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), damaged) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := hdf5.Open(filepath.Join(dir, "absent.h5")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}

	f := open(t, path)
	for _, name := range []string{"b", "a/b", "/", "a\x00"} {
		if _, err := f.Dataset(name); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("dataset %q: error %v, want one that names %s", name, err, path)
		}
	}
	if _, err := f.Members("a"); err == nil {
		t.Error("Members of a dataset: no error")
	}
	d, err := f.Dataset("a")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Dataset("text")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{d.Read(make([]float32, 2)), "it has 3 elements, there is room for 2"},
		{d.ReadRows(1, 3, make([]float32, 3)), "it has 3 rows, want rows 1 to 3"},
		{d.ReadRows(0, 2, make([]float32, 3)), "2 rows have 2 elements, there is room for 3"},
		{s.Read(make([]float32, 1)), "its elements have type H5T_STRING, want numbers: H5T_FLOAT or H5T_INTEGER"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want one with %q", c.err, c.want)
		}
	}
	if _, err := f.Int("text"); err == nil || !strings.Contains(err.Error(), "want one integer") {
		t.Errorf("Int of a text: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(make([]float32, 3)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := errors.Join(d.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

// TestForeign reads files that h5py has written: types that Caffe's files do not have,
// and links and datasets that lead into other files, which are refused.
func TestForeign(t *testing.T) {
	hdf5test.Need(t)
	dir := t.TempDir()
	hdf5test.Python(t, `
import h5py, numpy as np, os, sys
os.chdir(sys.argv[1])
with h5py.File("other.h5", "w") as f: f["x"] = [1., 2.]
open("raw.bin", "wb").write(b"\0" * 64)
with h5py.File("x.h5", "w", userblock_size=1024) as f:
    f["text"] = "variable"
    f["big"] = np.arange(6, dtype=">f8").reshape(2, 3)
    f["half"] = np.array([1.5, -2], dtype="f2")
    f["bool"] = np.array([True, False])
    f["empty"] = h5py.Empty("f4")
    f["link"] = h5py.ExternalLink("other.h5", "x")
    f["group link"] = h5py.ExternalLink("other.h5", "/")
    f["soft"] = h5py.SoftLink("/big")
    f["soft to link"] = h5py.SoftLink("/link")
    f["dangling"] = h5py.SoftLink("/nowhere")
    f.create_dataset("external", (4,), "f4", external=[("raw.bin", 0, 16)])
    layout = h5py.VirtualLayout(shape=(2,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(2,))
    f.create_virtual_dataset("virtual", layout)
    f.create_dataset("huge", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    f.create_dataset("zeros", (1 << 22,), "f4", chunks=(1 << 20,), compression="gzip")[:] = 0`, dir)
	f := open(t, filepath.Join(dir, "x.h5"))
	for name, want := range map[string][]float32{"big": {0, 1, 2, 3, 4, 5}, "half": {1.5, -2}, "soft": {0, 1, 2, 3, 4, 5}, "zeros": make([]float32, 1<<22)} {
		d, err := f.Dataset(name)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, d.Count())
		if err := d.Read(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %.40v, %v", name, got, err)
		}
	}
	if s, err := f.Text("text"); s != "variable" || err != nil {
		t.Errorf("text of variable length: %q, %v", s, err)
	}
	for name, want := range map[string]string{
		"empty":        "it has no shape",
		"link":         `"link" is a link into another file`,
		"group link/x": `"group link" is a link into another file`,
		"soft to link": `is a link into another file`,
		"external":     "its elements lie in other files",
		"virtual":      "its elements lie in other datasets or files",
		"huge":         "its shape [1099511627776] has 1099511627776 elements of 4 bytes, but the file has only 0 bytes of them",
		"dangling":     "H5Dopen2",
	} {
		if _, err := f.Dataset(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, want)
		}
	}
	if _, err := f.Members("group link"); err == nil || !strings.Contains(err.Error(), "is a link into another file") {
		t.Errorf("members of a link: %v", err)
	}
	if kind, err := f.Kind("dangling"); kind != hdf5.OtherKind || err != nil {
		t.Errorf("a link that leads nowhere has kind %v, %v", kind, err)
	}
	d, err := f.Dataset("bool")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Read(make([]float32, 2)); err == nil || !strings.Contains(err.Error(), "H5T_ENUM") {
		t.Errorf("bool: %v", err)
	}
}

// TestGoroutines reads from several goroutines at once.
func TestGoroutines(t *testing.T) {
	hdf5test.Need(t)
	path := filepath.Join(t.TempDir(), "x.h5")
	w, err := hdf5.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 100
	data := make([]float32, 7*rows)
	for i := range data {
		data[i] = float32(i)
	}
	if err := errors.Join(w.Write("x", []int{rows, 7}, data), w.Commit()); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			d, err := f.Dataset("x")
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			got := make([]float32, 7)
			for i := range rows {
				if err := d.ReadRows(i, 1, got); err != nil || got[0] != data[7*i] {
					t.Errorf("row %d: %v, %v", i, got, err)
				}
				if _, err := f.Dataset("absent"); err == nil {
					t.Error("an absent dataset: no error")
				}
			}
		})
	}
	group.Wait()
}

// TestNoLibrary runs itself in a process whose environment names a library that does not exist.
func TestNoLibrary(t *testing.T) {
	const absent = "/absent/libhdf5.so"
	if os.Getenv(hdf5.Env) != absent {
		command := exec.Command(os.Args[0], "-test.run=^TestNoLibrary$", "-test.v")
		command.Env = append(os.Environ(), hdf5.Env+"="+absent)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.h5")
	if err := os.WriteFile(file, []byte("\x89HDF\r\n\x1a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, openErr := hdf5.Open(file)
	_, createErr := hdf5.Create(file)
	for _, err := range []error{openErr, createErr} {
		if !errors.Is(err, hdf5.ErrNoLibrary) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), hdf5.Env) {
			t.Errorf("got error %v, want %v with %s and %s", err, hdf5.ErrNoLibrary, file, hdf5.Env)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files %v, want x.h5 only", entries)
	}
}
