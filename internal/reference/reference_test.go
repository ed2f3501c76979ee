package reference

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestPacked checks that a fresh clone has every set except the nets, with the number of
// cases that its README describes.
func TestPacked(t *testing.T) {
	t.Setenv("GOCAFFE_NO_SHARED", "1")
	for name, want := range map[string]struct {
		files   fs.FS
		pattern string
		cases   int
	}{
		"layers":   {GoldenFS(t, "layers"), "*/*/golden.binaryproto", 402},
		"solvers":  {GoldenFS(t, "solvers"), "*/solver.prototxt", 31},
		"formats":  {GoldenFS(t, "formats"), "data_layers/*/golden.binaryproto", 12},
		"misc":     {ForksFS(t, "layers-misc"), "*/*/golden.binaryproto", 64},
		"normface": {ForksFS(t, "layers-normface"), "*/*/golden.binaryproto", 41},
		"pspnet":   {ForksFS(t, "layers-pspnet"), "*/*/golden.binaryproto", 23},
		"rcnn":     {ForksFS(t, "layers-rcnn"), "*/*/golden.binaryproto", 15},
		"segnet":   {ForksFS(t, "layers-segnet"), "*/*/golden.binaryproto", 15},
		"ssd":      {ForksFS(t, "layers-ssd"), "*/*/golden.binaryproto", 85},
		"yolo":     {ForksFS(t, "layers-yolo"), "*/*/golden.binaryproto", 13},
	} {
		found, err := fs.Glob(want.files, want.pattern)
		if err != nil || len(found) < want.cases {
			t.Errorf("%s has %d cases (error %v), want at least %d", name, len(found), err, want.cases)
		}
	}
}

// TestGolden checks that a file is unpacked together with the rest of its set.
func TestGolden(t *testing.T) {
	t.Setenv("GOCAFFE_NO_SHARED", "1")
	images := Golden(t, "formats/images")
	for _, name := range []string{"colour00.png", "../list.txt", "../raw_lmdb/data.mdb"} {
		if _, err := os.Stat(filepath.Join(images, name)); err != nil {
			t.Error(err)
		}
	}
}

// write creates a file in a shared folder.
func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestShared checks that the shared folder adds files and hides those of the same name,
// and that GOCAFFE_NO_SHARED disables this.
func TestShared(t *testing.T) {
	root := t.TempDir()
	t.Setenv("GOCAFFE_SHARED", root)
	t.Setenv("GOCAFFE_NO_SHARED", "")
	write(t, root, "golden/layers/ReLU/new/net.prototxt", "new")
	write(t, root, "golden/layers/ReLU/basic_4d/net.prototxt", "changed")
	write(t, root, "golden/formats/list.txt", "changed")
	write(t, root, "data/mnist/images", "of numbers")

	read := func(f fs.FS, name string) string {
		data, err := fs.ReadFile(f, name)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	both := GoldenFS(t, "layers")
	for name, want := range map[string]string{"ReLU/new/net.prototxt": "new", "ReLU/basic_4d/net.prototxt": "changed"} {
		if got := read(both, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(read(both, "ReLU/basic_4d/golden.binaryproto")) == 0 {
		t.Error("a file that only the zip file has is empty")
	}
	entries, err := fs.ReadDir(both, "ReLU")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "new") || !slices.Contains(names, "basic_4d") || len(names) < 3 {
		t.Errorf("the folder ReLU has %q", names)
	}
	if _, err := fs.ReadFile(both, "ReLU/absent"); err == nil {
		t.Error("no error for an absent file")
	}
	if _, err := fs.ReadDir(both, "Nonesuch"); err == nil {
		t.Error("no error for an absent folder")
	}
	if got := read(os.DirFS(Golden(t, "formats")), "list.txt"); got != "changed" {
		t.Errorf("list.txt is %q", got)
	}
	if got := read(os.DirFS(Data(t, "mnist")), "images"); got != "of numbers" {
		t.Errorf("images are %q", got)
	}

	t.Setenv("GOCAFFE_NO_SHARED", "1")
	if got := read(GoldenFS(t, "layers"), "ReLU/basic_4d/net.prototxt"); got == "changed" {
		t.Error("the shared folder is used in spite of GOCAFFE_NO_SHARED")
	}
}

// TestAbsent checks that a test without its data is skipped, and fails on CI.
func TestAbsent(t *testing.T) {
	t.Setenv("GOCAFFE_SHARED", t.TempDir())
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		for name, find := range map[string]func(testing.TB){
			"data":   func(t testing.TB) { Data(t, "mnist") },
			"nets":   func(t testing.TB) { Golden(t, "nets/lenet") },
			"absent": func(t testing.TB) { Golden(t, "layers/Nonesuch") },
			"fs":     func(t testing.TB) { GoldenFS(t, "nets") },
		} {
			t.Setenv("CI", ci)
			t.Setenv("GOCAFFE_NO_SHARED", "")
			if got := outcome(t, find); got != want {
				t.Errorf("with CI %q a test without %s is %s, want %s", ci, name, got, want)
			}
			t.Setenv("GOCAFFE_NO_SHARED", "1")
			if got := outcome(t, find); got != "skipped" {
				t.Errorf("with GOCAFFE_NO_SHARED a test without %s is %s, want skipped", name, got)
			}
		}
	}
}

// ended records how a test ends.
type ended struct {
	testing.TB
	how string
}

func (e *ended) Helper()               {}
func (e *ended) Fatalf(string, ...any) { e.how = "failed"; panic(e) }
func (e *ended) Skipf(string, ...any)  { e.how = "skipped"; panic(e) }

func outcome(t *testing.T, find func(testing.TB)) (how string) {
	e := &ended{TB: t, how: "run"}
	defer func() {
		if r := recover(); r != nil && r != any(e) {
			panic(r)
		}
		how = e.how
	}()
	find(e)
	return e.how
}
