package lib

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// makeDNN compiles a libcudnn of a version, and its parts except one, into dir. Like
// NVIDIA's it aborts the program if a function is called while a part is missing.
// Otherwise every function returns status 100 + version.
func makeDNN(t *testing.T, dir string, version int, without string) string {
	t.Helper()
	parts := dnnParts[version]
	if version == 8 {
		parts = append(parts[:len(parts):len(parts)], dnnLinks...)
	}
	source := "#include <stdlib.h>\n"
	for _, f := range dnnFunctions {
		result := fmt.Sprint("return ", 100+version)
		switch {
		case without != "":
			result = "abort()"
		case f == "cudnnGetErrorString":
			result = `return (long)"a status"`
		}
		source += fmt.Sprintf("long %s(void) { %s; }\n", f, result)
	}
	compile(t, filepath.Join(dir, fileName("cudnn", version)+".1.2"), source)
	if err := os.Symlink(fileName("cudnn", version)+".1.2", filepath.Join(dir, fileName("cudnn", version))); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if part == without {
			continue
		}
		name := part
		if strings.HasPrefix(part, "cudnn") {
			name = fileName(part, version)
		}
		compile(t, filepath.Join(dir, name), "int nothing;\n")
	}
	return filepath.Join(dir, fileName("cudnn", version))
}

// compile makes a library from C source.
func compile(t *testing.T, file, source string) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: the test needs a C compiler, cc")
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cc, "-shared", "-fPIC", "-x", "c", "-o", file, "-")
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
}

// TestOpenParts opens a complete cuDNN, and ones without a library for which they
// would abort the program.
func TestOpenParts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the names of files are Linux's")
	}
	for version, parts := range dnnParts {
		all := append(parts[:len(parts):len(parts)], "")
		if version == 8 {
			all = append(all, dnnLinks...)
		}
		for _, without := range all {
			t.Run(fmt.Sprint(version, " without ", without), func(t *testing.T) {
				t.Setenv(EnvDNN, makeDNN(t, t.TempDir(), version, without))
				if without != "" {
					if _, err := dynlib.Open(without); err == nil {
						t.Skipf("SKIPPED: the loader finds %s", without)
					}
				}
				_, err := OpenDNN(0)
				switch {
				case err == nil:
					t.Error("no error")
				case without == "" && err.Error() != fmt.Sprintf("cudnnCreate: a status (%d)", 100+version):
					t.Errorf("complete: error %v, want that of cudnnCreate", err)
				case without != "" && (!errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "because it needs lib"+strings.TrimPrefix(without, "lib"))):
					t.Errorf("error %v, want that %s is needed", err, without)
				}
			})
		}
	}
}

// TestOpenPartsNext finds an incomplete cuDNN 9 and uses cuDNN 8 instead.
func TestOpenPartsNext(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the names of files are Linux's")
	}
	for _, v := range []int{8, 9} {
		if _, err := dynlib.Open(fileName("cudnn", v)); err == nil {
			t.Skip("SKIPPED: there is a cuDNN on this machine")
		}
	}
	root := t.TempDir()
	dir := filepath.Join(root, "lib", "python3.11", "site-packages", "nvidia", "cudnn", "lib")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VIRTUAL_ENV", root)
	t.Setenv(EnvDNN, "")
	makeDNN(t, dir, 9, "cudnn_ops")
	makeDNN(t, dir, 8, "")
	if _, err := OpenDNN(0); err == nil || err.Error() != "cudnnCreate: a status (108)" {
		t.Errorf("error %v, want that of cuDNN 8's cudnnCreate", err)
	}
}

func TestVersionOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the names of files are Linux's")
	}
	for file, want := range map[string]int{
		"libcudnn.so.9": 9, "/a/libcudnn.so.8.9.7": 8, "libcudnn.so.12": 12, "libcudnn.so": 0, "libcudnn_ops.so.9": 0, "libcudnn.so.9x": 0,
	} {
		if got := versionOf("cudnn", file); got != want {
			t.Errorf("%s: version %d, want %d", file, got, want)
		}
	}
}
