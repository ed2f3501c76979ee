package hdf5

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// failure returns the error of a call that has just failed, from the library's list
// of errors: what the function was to do, and the first cause.
func (l *library) failure(function string) error {
	const defaultStack, fromCause = 0, 0
	wide := uintptr(0)
	if l.wide {
		wide = 1
	}
	failures.list = nil
	l.call("H5Ewalk2", defaultStack, fromCause, collector(), wide)
	l.call("H5Eclear2", defaultStack)
	list := failures.list
	if len(list) == 0 {
		return fmt.Errorf("%s of libhdf5 %s failed", function, l.versionString())
	}
	cause := list[0]
	if found := systemError.FindStringSubmatch(cause); found != nil {
		cause = found[1]
	}
	if what := list[len(list)-1]; what != cause {
		cause = what + ": " + cause
	}
	return fmt.Errorf("%s: %.300s", function, strings.ReplaceAll(cause, "\n", " "))
}

// systemError matches what the library says of an error of the system, with addresses and
// the time, and takes the system's message out of it.
var systemError = regexp.MustCompile(`error message = '([^']+)'`)

// failures is the list of errors that a walk has come by, which library.do guards.
var failures struct{ list []string }

// collector is the address of collect for the library. It lives as long as the
// program, as every such address does.
var collector = sync.OnceValue(func() uintptr { return dynlib.Callback(collect) })

// collect appends the description of an error, an H5E_error2_t at address at: three
// identifiers, the line, the function, the file and the description.
func collect(_, at, wide uintptr) uintptr {
	const narrowOffset, wideOffset = 32, 48
	offset := uintptr(narrowOffset)
	if wide != 0 {
		offset = wideOffset
	}
	failures.list = append(failures.list, dynlib.TextAt(*(*uintptr)(dynlib.Pointer(at + offset))))
	return 0
}
