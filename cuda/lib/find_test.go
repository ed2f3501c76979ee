package lib

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestFind looks for libraries in the folders of a Python environment. The files
// there are not libraries, so none can be opened.
func TestFind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the names of files are Linux's")
	}
	root := t.TempDir()
	t.Setenv("VIRTUAL_ENV", root)
	t.Setenv("CONDA_PREFIX", "")
	t.Setenv("HOME", root)
	t.Setenv(EnvDNN, "")
	for _, dir := range []string{
		"lib/python3.9/site-packages/nvidia/cudnn/lib", "lib/python3.11/site-packages/nvidia/cudnn/lib",
		".local/lib/python3.11/site-packages/nvidia/cu13/lib",
	} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, "libcudnn.so.9"), []byte("no library"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dirs := strings.Join(folders("cudnn", 9), "\n")
	for _, want := range []string{"python3.9/site-packages/nvidia/cudnn/lib", "python3.11/site-packages/nvidia/cudnn/lib", ".local/lib/python3.11/site-packages/nvidia/cu13/lib"} {
		if !strings.Contains(dirs, want) {
			t.Errorf("%s is not among the folders", want)
		}
	}
	_, err := (&wanted{env: EnvDNN, stem: "cudnn", versions: []int{9, 8}}).find()
	if err == nil {
		t.Skip("SKIPPED: there is a cuDNN on this machine")
	}
	for _, want := range []string{"python3.9", "python3.11", "cu13", "libcudnn.so.9"} {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
	_, err = (&wanted{env: EnvDNN, stem: "cudnn", versions: []int{8}}).find()
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "looked for libcudnn.so.8") {
		t.Errorf("error %v", err)
	}
}
