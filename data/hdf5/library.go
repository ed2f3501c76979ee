package hdf5

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// A hid is an identifier of the library: an int before version 1.10, since then an
// int64.
type hid int64

// defaultProperties is H5P_DEFAULT.
const defaultProperties = 0

// functions lists what is called of the library.
var functions = []string{
	"H5open", "H5get_libversion", "H5dont_atexit", "H5Eset_auto2", "H5Eclear2", "H5Ewalk2", "H5Fopen", "H5Fcreate", "H5Fclose",
	"H5Fget_name", "H5Fflush", "H5Oopen", "H5Oclose", "H5Iget_type", "H5Lexists", "H5Lget_name_by_idx",
	"H5Gopen2", "H5Gcreate2", "H5Gclose", "H5Gget_info", "H5Dopen2", "H5Dcreate2", "H5Dclose", "H5Dread", "H5Dwrite",
	"H5Dget_space", "H5Dget_type", "H5Dget_create_plist", "H5Dget_storage_size", "H5Dget_offset", "H5Dset_extent", "H5Dvlen_reclaim",
	"H5Screate", "H5Screate_simple", "H5Sclose", "H5Sget_simple_extent_type", "H5Sget_simple_extent_ndims",
	"H5Sget_simple_extent_dims", "H5Sselect_hyperslab", "H5Tcopy", "H5Tclose", "H5Tget_class", "H5Tget_size", "H5Tset_size",
	"H5Tis_variable_str", "H5Pcreate", "H5Pclose", "H5Pget_layout", "H5Pget_external_count", "H5Pset_chunk", "H5Pget_chunk",
	"H5Pset_fclose_degree", "H5Pset_obj_track_times", "H5Pset_create_intermediate_group",
}

// variables lists the library's variables that hold the identifiers of types and of
// classes of properties. Some have two names, the newer first.
var variables = map[string][]string{
	"float32":        {"H5T_NATIVE_FLOAT_g"},
	"int32":          {"H5T_NATIVE_INT_g"},
	"uint8":          {"H5T_NATIVE_UCHAR_g"},
	"string":         {"H5T_C_S1_g"},
	"file access":    {"H5P_CLS_FILE_ACCESS_ID_g", "H5P_CLS_FILE_ACCESS_g"},
	"dataset create": {"H5P_CLS_DATASET_CREATE_ID_g", "H5P_CLS_DATASET_CREATE_g"},
	"link create":    {"H5P_CLS_LINK_CREATE_ID_g", "H5P_CLS_LINK_CREATE_g"},
}

// linkInfo is the function that describes a link. Since version 1.12 its name has a
// number.
var linkInfo = []string{"H5Lget_info2", "H5Lget_info"}

// A library is libhdf5. Its methods are called within do, but for those of the
// version.
type library struct {
	lib     *dynlib.Library
	addr    map[string]uintptr
	version [3]uint32
	wide    bool // identifiers have 64 bits
	ids     map[string]hid

	mu sync.Mutex
}

// load opens the library, once; as long as that fails, each call tries again.
func load() (*library, error) {
	loading.Lock()
	defer loading.Unlock()
	if loaded != nil {
		return loaded, nil
	}
	lib, err := find()
	if err != nil {
		return nil, err
	}
	l, err := bind(lib)
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be used: %w", ErrNoLibrary, lib.Name(), err)
	}
	loaded = l
	return l, nil
}

var (
	loading sync.Mutex
	loaded  *library
)

// find opens the library's file.
func find() (*dynlib.Library, error) {
	if name := os.Getenv(Env); name != "" {
		lib, err := dynlib.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %s names a file that cannot be loaded: %w", ErrNoLibrary, Env, err)
		}
		return lib, nil
	}
	for _, name := range names() {
		lib, err := dynlib.Open(name)
		if err == nil {
			return lib, nil
		}
		if errors.Is(err, dynlib.ErrUnsupported) {
			return nil, fmt.Errorf("%w: %w", ErrNoLibrary, err)
		}
	}
	return nil, fmt.Errorf("%w: HDF5 files need libhdf5, which was not found: install Debian's and Ubuntu's libhdf5-103-1 (or libhdf5-dev),"+
		" elsewhere the package hdf5, or name the library's file in %s", ErrNoLibrary, Env)
}

// names returns the names under which the library is looked for: the versions of
// its interface from 1.14 down to 1.8, under the upstream's name and Debian's.
func names() []string {
	if runtime.GOOS == "windows" {
		return []string{"hdf5.dll"}
	}
	var list []string
	for _, version := range []string{"", ".320", ".310", ".200", ".103", ".101", ".100", ".10", ".9", ".8", ".7", ".6"} {
		for _, stem := range []string{"libhdf5.so", "libhdf5_serial.so"} {
			list = append(list, stem+version)
		}
	}
	for _, env := range []string{"CONDA_PREFIX", "VIRTUAL_ENV"} {
		if root := os.Getenv(env); root != "" {
			list = append(list, filepath.Join(root, "lib", "libhdf5.so"))
		}
	}
	return list
}

// bind finds the functions and variables and initializes the library.
func bind(lib *dynlib.Library) (*library, error) {
	l := &library{lib: lib, addr: make(map[string]uintptr, len(functions)), ids: make(map[string]hid, len(variables))}
	var err error
	for _, f := range functions {
		if l.addr[f], err = lib.Symbol(f); err != nil {
			return nil, err
		}
	}
	for _, name := range linkInfo {
		if l.addr["H5Lget_info"], err = lib.Symbol(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	// Files are closed by their owners. The library is not to do more when a C
	// runtime ends, in a thread that knows nothing of the others.
	l.call("H5dont_atexit")
	if int32(l.call("H5open")) < 0 {
		return nil, errors.New("H5open failed")
	}
	v := &l.version
	l.call("H5get_libversion", uintptr(unsafe.Pointer(&v[0])), uintptr(unsafe.Pointer(&v[1])), uintptr(unsafe.Pointer(&v[2])))
	if v[0] < 1 || v[0] == 1 && v[1] < 8 {
		return nil, fmt.Errorf("it has version %s, want 1.8 or newer", l.versionString())
	}
	l.wide = v[0] > 1 || v[1] >= 10
	for what, names := range variables {
		var at uintptr
		for _, name := range names {
			if at, err = lib.Symbol(name); err == nil {
				break
			}
		}
		if err != nil {
			return nil, err
		}
		if l.wide {
			l.ids[what] = *(*hid)(dynlib.Pointer(at))
		} else {
			l.ids[what] = hid(*(*int32)(dynlib.Pointer(at)))
		}
	}
	return l, nil
}

func (l *library) versionString() string {
	return fmt.Sprintf("%d.%d.%d", l.version[0], l.version[1], l.version[2])
}

// do calls what, alone and without the messages that the library prints of errors.
// A library that was built for threads has a list of errors for each of them, hence
// the lock on the thread.
func (l *library) do(what func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const defaultStack = 0
	l.call("H5Eset_auto2", defaultStack, 0, 0)
	return what()
}

// call calls a function with integers and addresses. An address of Go memory must
// be converted to uintptr in the argument list.
//
//go:uintptrescapes
func (l *library) call(function string, args ...uintptr) uintptr {
	return dynlib.CallSlice(l.addr[function], args)
}

// status calls a function that returns an int.
//
//go:uintptrescapes
func (l *library) status(function string, args ...uintptr) int {
	return int(int32(l.call(function, args...)))
}

// check calls a function that returns an int which is negative after an error.
//
//go:uintptrescapes
func (l *library) check(function string, args ...uintptr) (int, error) {
	n := l.status(function, args...)
	if n < 0 {
		return n, l.failure(function)
	}
	return n, nil
}

// open calls a function that returns an identifier, which is to be closed.
//
//go:uintptrescapes
func (l *library) open(function string, args ...uintptr) (hid, error) {
	r := l.call(function, args...)
	id := hid(r)
	if !l.wide {
		id = hid(int32(r))
	}
	if id < 0 {
		return 0, l.failure(function)
	}
	return id, nil
}

// close calls the function that closes an identifier.
func (l *library) close(function string, id hid) error {
	_, err := l.check(function, uintptr(id))
	return err
}

// text returns the address of s with a zero byte after it.
func text(s string) *byte { return dynlib.CString(s) }

// fileAccess returns properties for opening files: what is open of a file is closed
// with it.
func (l *library) fileAccess() (hid, error) {
	access, err := l.open("H5Pcreate", uintptr(l.ids["file access"]))
	if err != nil {
		return 0, err
	}
	const strong = 3
	if _, err := l.check("H5Pset_fclose_degree", uintptr(access), strong); err != nil {
		l.close("H5Pclose", access)
		return 0, err
	}
	return access, nil
}

// fileName returns the name of the file that an open object is in.
func (l *library) fileName(id hid) (string, error) {
	n, err := l.check("H5Fget_name", uintptr(id), 0, 0)
	if err != nil {
		return "", err
	}
	name := make([]byte, n+1)
	_, err = l.check("H5Fget_name", uintptr(id), uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	return dynlib.GoString(name), err
}
