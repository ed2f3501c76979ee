// Package lib opens NVIDIA's libraries cuBLAS and cuDNN at run time, where they
// are on the machine: CUDA 11, 12 or 13, cuDNN 8 or 9. Nothing of them is needed
// to build. Without them gocaffe's own kernels do the work.
//
// As in package driver, calls work in the context that is current on the
// calling thread, and what they start is put into a stream.
package lib

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// Environment variables that name the libraries' files. The value "none" says
// that the library is not to be used.
const (
	EnvBLAS = "GOCAFFE_LIBCUBLAS"
	EnvDNN  = "GOCAFFE_LIBCUDNN"
)

// ErrNotFound is the error of OpenBLAS and OpenDNN where there is no such library.
var ErrNotFound = errors.New("not found")

// wanted is a library that find looks for.
type wanted struct {
	env      string   // variable that names its file
	stem     string   // "cublas" or "cudnn"
	versions []int    // of its file name, in the order in which they are tried
	before   []string // stems of libraries that it needs, which may lie in its own folder only

	// check returns an error if the library, which has been opened, cannot be used.
	check func(lib *dynlib.Library) error
}

// find opens a library.
func (w *wanted) find() (*dynlib.Library, error) {
	switch name := os.Getenv(w.env); name {
	case "":
	case "none":
		return nil, fmt.Errorf("%s: %w: %s is none", w.stem, ErrNotFound, w.env)
	default:
		lib, err := w.open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s names a file that cannot be loaded: %w", w.stem, ErrNotFound, w.env, err)
		}
		return lib, nil
	}
	var names []string
	var broken []error // files that are there and cannot be used
	for _, v := range w.versions {
		name := fileName(w.stem, v)
		names = append(names, name)
		if lib, err := dynlib.Open(name); err == nil { // where the loader looks
			if err := w.checked(lib); err == nil {
				return lib, nil
			} else {
				broken = append(broken, err)
			}
		}
		for _, dir := range folders(w.stem, v) {
			file := filepath.Join(dir, name)
			if _, err := os.Stat(file); err != nil {
				continue
			}
			lib, err := w.open(file)
			if err == nil {
				return lib, nil
			}
			broken = append(broken, err)
		}
	}
	if len(broken) != 0 {
		return nil, fmt.Errorf("%s: %w: %w", w.stem, ErrNotFound, errors.Join(broken...))
	}
	return nil, fmt.Errorf("%s: %w: looked for %s where the loader looks, in CUDA's folders and among Python's packages; %s may name the file",
		w.stem, ErrNotFound, strings.Join(names, ", "), w.env)
}

// open opens a file, and before it the libraries that it needs from its folder.
func (w *wanted) open(file string) (*dynlib.Library, error) {
	if v := versionOf(w.stem, file); v != 0 {
		for _, b := range w.before {
			dynlib.Open(filepath.Join(filepath.Dir(file), fileName(b, v))) // if it is not there, the loader may find it
		}
	}
	lib, err := dynlib.Open(file)
	if err != nil {
		return nil, err
	}
	return lib, w.checked(lib)
}

func (w *wanted) checked(lib *dynlib.Library) error {
	if w.check == nil {
		return nil
	}
	return w.check(lib)
}

// maxVersion is above every version of a library.
const maxVersion = 100

// versionOf returns the version in the name of a library's file, following links,
// or 0 if the file has another name.
func versionOf(stem, file string) int {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	for v := 1; v < maxVersion; v++ {
		if rest, ok := strings.CutPrefix(filepath.Base(file), fileName(stem, v)); ok && (rest == "" || rest[0] == '.') {
			return v
		}
	}
	return 0
}

// folders lists the folders of CUDA and of Python's packages that exist.
func folders(stem string, version int) []string {
	patterns := []string{
		"/usr/local/cuda/lib64",
		fmt.Sprintf("/usr/local/cuda-%d*/lib64", version),
		"/opt/cuda/lib64",
	}
	var roots []string
	for _, env := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if root := os.Getenv(env); root != "" {
			roots = append(roots, root)
			patterns = append(patterns, filepath.Join(root, "lib"))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		roots = append(roots, filepath.Join(home, ".local"))
	}
	roots = append(roots, "/usr/local", "/usr", "/opt/conda")
	for _, root := range roots {
		for _, packages := range []string{"site-packages", "dist-packages"} {
			for _, folder := range []string{stem, "cu13"} { // CUDA 13 has one folder for all
				patterns = append(patterns, filepath.Join(root, "lib", "python3*", packages, "nvidia", folder, "lib"))
			}
		}
	}
	var dirs []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // a root with a bracket in its name
		}
		slices.Sort(found)
		slices.Reverse(found) // the newest first
		dirs = append(dirs, found...)
	}
	return dirs
}

// native is an open library and the functions of it that are used.
type native struct {
	lib  *dynlib.Library
	addr map[string]uintptr
	name string
	text func(code int) string // of a status
}

// bind finds functions.
func bind(lib *dynlib.Library, name string, functions []string) (*native, error) {
	n := &native{lib: lib, addr: make(map[string]uintptr, len(functions)), name: name}
	for _, f := range functions {
		addr, err := lib.Symbol(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		n.addr[f] = addr
	}
	return n, nil
}

// File is the file of the library.
func (n *native) File() string {
	for _, addr := range n.addr {
		if file := dynlib.File(addr); file != "" {
			return file
		}
	}
	return n.lib.Name()
}

// check makes an error of a status.
func (n *native) check(call string, status uintptr) error {
	if code := int(int32(status)); code != 0 {
		return &Error{Call: call, Code: code, Text: n.text(code)}
	}
	return nil
}

// call calls a function that returns a status. Addresses of Go memory must be
// converted to uintptr in the argument list.
//
//go:uintptrescapes
func (n *native) call(function string, args ...uintptr) error {
	return n.check(function, dynlib.CallSlice(n.addr[function], args))
}

// callKept is call for arguments that lie in memory which is kept, with what they
// point to; nothing is allocated.
func (n *native) callKept(function string, args []uintptr) error {
	return n.check(function, dynlib.CallSlice(n.addr[function], args))
}

// An Error is a call of a library that failed.
type Error struct {
	Call string // "cublasGemmEx"
	Code int
	Text string // what the code means
}

// Error returns the call, what its code means, and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%d)", e.Call, e.Text, e.Code) }

// Math says how products of float32 are taken.
type Math int

const (
	FP32 Math = iota // as they are
	TF32             // with the leading 10 bits of each factor, on tensor cores
	BF16             // with the leading 7 bits
)
