package atomicfile

import "sync/atomic"

// An Op is a step of writing a file, at which a test may let it fail.
type Op string

// The steps, in their order.
const (
	OpCreate Op = "create"
	OpWrite  Op = "write"
	OpSync   Op = "sync"
	OpClose  Op = "close"
	OpRename Op = "rename"
)

var fault atomic.Pointer[func(Op, string) error]

// InjectFaults lets tests see how a program bears full disks and broken ones:
// until restore is called, f is asked before each step of every file, with the
// path, and what it returns is the error of that step; nil lets the step be
// done. A write that fails has written half.
func InjectFaults(f func(op Op, path string) error) (restore func()) {
	fault.Store(&f)
	return func() { fault.Store(nil) }
}

func failing(op Op, path string) error {
	if f := fault.Load(); f != nil {
		return (*f)(op, path)
	}
	return nil
}
