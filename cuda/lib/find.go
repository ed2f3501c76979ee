// Package lib opens NVIDIA's libraries cuBLAS (of CUDA 11, 12 or 13) and cuDNN (8 or
// 9) at run time, if they are installed. It builds without them, and gocaffe's own
// kernels take their place.
//
// As in package driver, calls work in the context that is current on the calling
// thread, and queue their work in a stream.
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

// Environment variables that name the files of the libraries. The value "none" turns
// a library off.
const (
	EnvBLAS = "GOCAFFE_LIBCUBLAS"
	EnvDNN  = "GOCAFFE_LIBCUDNN"
)

// ErrNotFound is wrapped by the errors of OpenBLAS and OpenDNN if the library is not
// installed, incomplete or turned off.
var ErrNotFound = errors.New("not found")

// wanted is a library that find looks for.
type wanted struct {
	env      string   // the variable that names its file
	stem     string   // "cublas" or "cudnn"
	versions []int    // of its file name, in the order in which they are tried
	before   []string // stems of libraries that it needs, which may be in its own folder only

	// check returns an error if the open library cannot be used.
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
	var broken []error // files that exist and cannot be used
	for _, v := range w.versions {
		name := fileName(w.stem, v)
		names = append(names, name)
		if lib, err := dynlib.Open(name); err == nil { // from the loader's search path
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
	return nil, fmt.Errorf("%s: %w: looked for %s in the loader's search path, in CUDA's folders and in Python's packages; %s can name the file",
		w.stem, ErrNotFound, strings.Join(names, ", "), w.env)
}

// open opens a file, after the libraries that it needs from the same folder.
func (w *wanted) open(file string) (*dynlib.Library, error) {
	if v := versionOf(w.stem, file); v != 0 {
		for _, b := range w.before {
			dynlib.Open(filepath.Join(filepath.Dir(file), fileName(b, v))) // if it is missing, the loader may find it elsewhere
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

// versionOf returns the version in the name of a library's file, after following
// links, or 0 if the file has another name.
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

// folders returns the existing folders of CUDA and of Python's packages that may hold
// a library.
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

// native is an open library with the functions that are used.
type native struct {
	lib  *dynlib.Library
	addr map[string]uintptr
	name string
	text func(code int) string // returns the meaning of a status
}

// bind looks up functions.
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

// File returns the file of the library.
func (n *native) File() string {
	for _, addr := range n.addr {
		if file := dynlib.File(addr); file != "" {
			return file
		}
	}
	return n.lib.Name()
}

// check returns a status as an error.
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

// callKept is call for arguments that are on the heap, as what they point to, and
// stay there. It does not allocate.
func (n *native) callKept(function string, args []uintptr) error {
	return n.check(function, dynlib.CallSlice(n.addr[function], args))
}

// An Error is a call of a library that failed.
type Error struct {
	Call string // "cublasGemmEx"
	Code int
	Text string // meaning of the code
}

// Error returns the call, what its code means, and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%d)", e.Call, e.Text, e.Code) }

// Math is the precision in which products of float32 are computed.
type Math int

const (
	FP32 Math = iota // float32
	TF32             // factors rounded to 10 bits of mantissa, on tensor cores
	BF16             // factors rounded to 7 bits of mantissa
)
