// Package reference finds the reference data that tests compare with: golden
// values computed by Caffe, and real image sets. They live outside the
// repository, in a folder with golden/ and data/ in it, named by the
// environment variable GOCAFFE_SHARED or else ../shared seen from the
// repository's root.
package reference

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Golden returns the path of a file or folder of the golden values. Where it
// is absent, it skips the test and says so; with CI set it fails the test,
// because there a skipped comparison would go unseen.
func Golden(t testing.TB, path string) string {
	t.Helper()
	return find(t, "golden", path)
}

// Data returns the path of a file or folder of the image sets, as Golden does.
func Data(t testing.TB, path string) string {
	t.Helper()
	return find(t, "data", path)
}

func find(t testing.TB, kind, path string) string {
	t.Helper()
	file := filepath.Join(root(), kind, filepath.FromSlash(path))
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") != "" && os.Getenv("GOCAFFE_NO_SHARED") == "" {
			t.Fatalf("reference data: %v (set GOCAFFE_SHARED to the folder that holds %s/, or GOCAFFE_NO_SHARED=1 to do without)", err, kind)
		}
		t.Skipf("SKIPPED, reference data is absent: %v (set GOCAFFE_SHARED to the folder that holds %s/)", err, kind)
	}
	return file
}

func root() string {
	if dir := os.Getenv("GOCAFFE_SHARED"); dir != "" {
		return dir
	}
	_, self, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(self), "..", "..", "..", "shared")
}
