// Package dynlib opens native libraries at run time and calls their functions,
// with or without cgo. A missing library is an ordinary error.
package dynlib

import (
	"errors"
	"fmt"
)

// ErrUnsupported is the error of Open in builds that cannot open libraries.
var ErrUnsupported = errors.New("this build cannot open native libraries")

// A Library is an open native library.
type Library struct {
	name   string
	handle uintptr
}

// Open opens the first library of names that the system's loader finds. A name with
// a slash is a file; other names are looked up in the loader's search path. The
// error contains the loader's message for each name.
func Open(names ...string) (*Library, error) {
	var errs []error
	for _, name := range names {
		handle, err := open(name)
		if err == nil {
			return &Library{name, handle}, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Name returns the name by which the library was opened.
func (l *Library) Name() string { return l.name }

// Handle returns the system's handle of the library, from dlopen.
func (l *Library) Handle() uintptr { return l.handle }

// Symbol returns the address of a function.
func (l *Library) Symbol(name string) (uintptr, error) {
	addr, err := symbol(l.handle, name)
	if err != nil {
		return 0, fmt.Errorf("%s has no function %s", l.name, name)
	}
	return addr, nil
}

// File returns the file that contains the function at addr, or "" if the system does
// not report it.
func File(addr uintptr) string { return fileOf(addr) }
