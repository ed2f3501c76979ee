// Package hdf5 reads and writes HDF5 files with the library of the HDF Group,
// libhdf5, which is opened when it is first needed: versions 1.8 to 1.14, and later
// ones while they keep their functions. Nothing of it is needed to build. Without
// it every function returns an error that is ErrNoLibrary and says what to install.
//
// The library is not made for threads: its calls are made one after the other.
// Files, datasets and writers may be used by several goroutines.
//
// Paths within files are those of HDF5, with slashes: "/data/conv1/0".
package hdf5

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// ErrNoLibrary is the error on a machine without libhdf5.
var ErrNoLibrary = errors.New("no HDF5 library")

// Env is the environment variable that names another file of the library than
// those that are looked for.
const Env = "GOCAFFE_HDF5"

// LibraryVersion opens the library, if that is not done, and returns its version:
// "1.14.3".
func LibraryVersion() (string, error) {
	l, err := load()
	if err != nil {
		return "", err
	}
	return l.versionString(), nil
}

// A File is an HDF5 file that is open for reading.
type File struct {
	lib  *library
	path string
	size int64 // in bytes, when it was opened
	id   hid
}

// signature begins an HDF5 file, or follows a block of the user's whose size is a
// power of two, at least 512.
const signature = "\x89HDF\r\n\x1a\n"

// Is reports whether b begins as an HDF5 file does.
func Is(b []byte) bool { return strings.HasPrefix(string(b[:min(len(b), len(signature))]), signature) }

// maxUserBlock bounds the search for the signature.
const maxUserBlock = 64 << 20

// Open opens a file for reading. Close closes it.
func Open(path string) (*File, error) {
	size, err := inspect(path)
	if err != nil {
		return nil, err
	}
	l, err := load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{lib: l, path: path, size: size}
	err = l.do(func() error {
		access, err := l.fileAccess()
		if err != nil {
			return err
		}
		defer l.close("H5Pclose", access)
		const readOnly = 0
		f.id, err = l.open("H5Fopen", uintptr(unsafe.Pointer(text(path))), readOnly, uintptr(access))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: not an HDF5 file or a damaged one: %w", path, err)
	}
	return f, nil
}

// inspect returns the size of a file that begins as an HDF5 file does.
func inspect(path string) (int64, error) {
	file, size, err := readfile.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	found, err := hasSignature(file, size)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("%s: %d bytes, not an HDF5 file", path, size)
	}
	return size, nil
}

func hasSignature(r io.ReaderAt, size int64) (bool, error) {
	b := make([]byte, len(signature))
	for at := int64(0); at+int64(len(b)) <= size && at <= maxUserBlock; at = max(512, 2*at) {
		if _, err := r.ReadAt(b, at); err != nil {
			return false, err
		}
		if Is(b) {
			return true, nil
		}
	}
	return false, nil
}

// Size returns the number of bytes of the file when it was opened.
func (f *File) Size() int64 { return f.size }

// Close closes the file and its datasets.
func (f *File) Close() error {
	return f.lib.do(func() error {
		if f.id == 0 {
			return nil
		}
		err := f.lib.close("H5Fclose", f.id)
		f.id = 0
		return f.named(err)
	})
}

// named returns an error that names the file.
func (f *File) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

var errClosed = &os.PathError{Op: "read", Path: "HDF5 file", Err: os.ErrClosed}

// do calls the library for an open file.
func (f *File) do(what func() error) error {
	return f.lib.do(func() error {
		if f.id == 0 {
			return f.named(errClosed.Err)
		}
		return f.named(what())
	})
}

// A Kind says what a path within a file stands for.
type Kind int

// The kinds of objects.
const (
	Absent    Kind = iota // nothing
	Group                 // a group, which has members
	Numbers               // a dataset
	OtherKind             // a named type or a link that leads nowhere
)

// Kind returns what is at a path.
func (f *File) Kind(path string) (Kind, error) {
	var kind Kind
	err := f.do(func() error {
		there, err := f.exists(path)
		if err != nil || !there {
			return err
		}
		id, err := f.lib.open("H5Oopen", uintptr(f.id), uintptr(unsafe.Pointer(text(path))), defaultProperties)
		if err != nil {
			kind = OtherKind // a dangling link
			return nil
		}
		defer f.lib.close("H5Oclose", id)
		switch f.lib.status("H5Iget_type", uintptr(id)) {
		case typeGroup:
			kind = Group
		case typeDataset:
			kind = Numbers
		default:
			kind = OtherKind
		}
		return nil
	})
	return kind, err
}

// Numbers of H5I_type_t.
const (
	typeGroup   = 2
	typeDataset = 5
)

// exists reports whether there is a link for each part of a path. A link into another
// file is an error.
func (f *File) exists(path string) (bool, error) {
	if strings.ContainsRune(path, 0) {
		return false, nil
	}
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '/' || i == 0 || path[i-1] == '/' {
			continue
		}
		found, err := f.lib.check("H5Lexists", uintptr(f.id), uintptr(unsafe.Pointer(text(path[:i]))), defaultProperties)
		if err != nil || found == 0 {
			return false, err
		}
		const external = 64
		var info [8]uint64 // H5L_info_t: the type of the link, an int, and more
		if _, err := f.lib.check("H5Lget_info", uintptr(f.id), uintptr(unsafe.Pointer(text(path[:i]))), uintptr(unsafe.Pointer(&info)), defaultProperties); err != nil {
			return false, err
		}
		if int32(info[0]) == external {
			return false, fmt.Errorf("%q is a link into another file", path[:i])
		}
	}
	return true, nil
}

// Members returns the names of what is in a group, in the order of the names.
func (f *File) Members(group string) ([]string, error) {
	var names []string
	err := f.do(func() error {
		there, err := f.exists(group)
		if err == nil && !there {
			err = errors.New("there is none")
		}
		if err != nil {
			return fmt.Errorf("group %q: %w", group, err)
		}
		id, err := f.lib.open("H5Gopen2", uintptr(f.id), uintptr(unsafe.Pointer(text(group))), defaultProperties)
		if err != nil {
			return fmt.Errorf("group %q: %w", group, err)
		}
		defer f.lib.close("H5Gclose", id)
		if err := f.inside(id, group); err != nil {
			return err
		}
		var info [4]uint64 // H5G_info_t: storage type, number of links, ...
		if _, err := f.lib.check("H5Gget_info", uintptr(id), uintptr(unsafe.Pointer(&info))); err != nil {
			return fmt.Errorf("group %q: %w", group, err)
		}
		for i := range info[1] {
			name, err := f.member(id, i)
			if err != nil {
				return fmt.Errorf("group %q: %w", group, err)
			}
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// maxName is the length of the longest name of a member.
const maxName = 64 << 10

// member returns the name of member i of an open group.
func (f *File) member(group hid, i uint64) (string, error) {
	const byName, ascending = 0, 0
	name := make([]byte, 256)
	for {
		n, err := f.lib.check("H5Lget_name_by_idx", uintptr(group), uintptr(unsafe.Pointer(text("."))), byName, ascending, uintptr(i),
			uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), defaultProperties)
		switch {
		case err != nil:
			return "", err
		case n < len(name):
			return dynlib.GoString(name), nil
		case n >= maxName:
			return "", fmt.Errorf("a name has %d bytes", n)
		}
		name = make([]byte, n+1)
	}
}

// inside returns an error if an open object is part of another file, to which a soft
// link to an external one leads.
func (f *File) inside(id hid, path string) error {
	own, err := f.lib.fileName(f.id)
	if err != nil {
		return err
	}
	other, err := f.lib.fileName(id)
	if err != nil {
		return err
	}
	if own != other {
		return fmt.Errorf("%q is a link into another file, %s", path, other)
	}
	return nil
}
