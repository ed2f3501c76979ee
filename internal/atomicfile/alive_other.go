//go:build !unix

package atomicfile

import "os"

// alive reports whether a process exists, as far as the system reveals it.
func alive(pid int) bool {
	p, err := os.FindProcess(pid) // fails on Windows if there is none
	if err != nil {
		return false
	}
	p.Release()
	return true
}
