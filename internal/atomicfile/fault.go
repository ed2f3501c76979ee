package atomicfile

import "sync/atomic"

// An Op is a step of writing a file. Tests can make it fail.
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

// InjectFaults simulates full and broken disks in tests. Until restore is called, f
// is called with the path before each step of every file. If it returns an error,
// the step fails with that error. A write that fails writes half of its data.
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
