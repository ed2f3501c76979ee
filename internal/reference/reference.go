// Package reference finds reference data for tests.
//
// The golden values, which Caffe and its forks computed, are in this package:
// testdata/golden and testdata/golden-forks hold a README and a zip file for each
// set. A folder beside the repository, ../shared, or the one that the environment
// variable GOCAFFE_SHARED names, may hold more: golden/ and golden-forks/ with the
// same sets unpacked, which take precedence over the zip files, golden/nets, which
// is too large for the repository, and data/ with the images of MNIST and CIFAR-10.
// With GOCAFFE_NO_SHARED=1 that folder is ignored, as on a fresh clone.
package reference

import (
	"archive/zip"
	"bytes"
	"embed"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

//go:embed testdata
var packed embed.FS

// Golden returns the path of a file or folder of Caffe's golden values, such as
// "formats/images": in the shared folder, or unpacked for this test together with the
// rest of its set. If it is in neither, Golden skips the test with a reason; with CI set
// it fails the test, because nobody would notice a skipped comparison there.
func Golden(t testing.TB, name string) string {
	t.Helper()
	return find(t, "golden", name)
}

// GoldenFS returns a folder of Caffe's golden values, such as "layers", as a file
// system. Files of the shared folder hide those of the zip file with the same name.
func GoldenFS(t testing.TB, name string) fs.FS {
	t.Helper()
	return findFS(t, "golden", name)
}

// ForksFS is GoldenFS for the golden values of Caffe's forks, such as "layers-ssd".
func ForksFS(t testing.TB, name string) fs.FS {
	t.Helper()
	return findFS(t, "golden-forks", name)
}

// Data returns the path of a file or folder of the image sets, such as "mnist". It
// handles a missing one like Golden.
func Data(t testing.TB, name string) string {
	t.Helper()
	return find(t, "data", name)
}

// find returns the path of name of one kind of data.
func find(t testing.TB, kind, name string) string {
	t.Helper()
	if file := shared(kind, name); file != "" {
		return file
	}
	z, inside, err := unzip(kind, name)
	if err != nil {
		absent(t, kind, name)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.FromSlash(inside))
}

// findFS returns the folder name of one kind of data.
func findFS(t testing.TB, kind, name string) fs.FS {
	t.Helper()
	var found overlay
	if dir := shared(kind, name); dir != "" {
		found = append(found, os.DirFS(dir))
	}
	if z, inside, err := unzip(kind, name); err == nil {
		sub, err := fs.Sub(z, inside)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, sub)
	}
	if len(found) == 0 {
		absent(t, kind, name)
	}
	return found
}

// absent ends a test without its data.
func absent(t testing.TB, kind, name string) {
	t.Helper()
	if os.Getenv("CI") != "" && os.Getenv("GOCAFFE_NO_SHARED") == "" {
		t.Fatalf("there is no reference data %s/%s (set GOCAFFE_SHARED to the folder that has it, or GOCAFFE_NO_SHARED=1 to do without)", kind, name)
	}
	t.Skipf("SKIPPED: there is no reference data %s/%s (set GOCAFFE_SHARED to the folder that has it)", kind, name)
}

// unzip opens the zip file of the set that contains name, SET or SET/PATH, and returns
// its path there.
func unzip(kind, name string) (z *zip.Reader, inside string, err error) {
	set, inside, _ := strings.Cut(name, "/")
	inside = path.Clean(inside)
	data, err := packed.ReadFile(path.Join("testdata", kind, set+".zip"))
	if err != nil {
		return nil, "", err
	}
	if z, err = zip.NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
		return nil, "", err
	}
	_, err = fs.Stat(z, inside)
	return z, inside, err
}

// shared returns the path of name in the shared folder, or "" if it does not exist.
func shared(kind, name string) string {
	if os.Getenv("GOCAFFE_NO_SHARED") != "" {
		return ""
	}
	root := os.Getenv("GOCAFFE_SHARED")
	if root == "" {
		_, self, _, _ := runtime.Caller(0)
		root = filepath.Join(filepath.Dir(self), "..", "..", "..", "shared")
	}
	file := filepath.Join(root, kind, filepath.FromSlash(name))
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}
