//go:build unix

package atomicfile

import (
	"errors"
	"syscall"
)

// alive reports whether a process exists, as far as the system reveals it.
func alive(pid int) bool {
	return pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
