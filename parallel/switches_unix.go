//go:build unix

package parallel

import "syscall"

// switches returns how often the system has taken a processor away from a thread of this
// process that had more to do.
func switches() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return int64(usage.Nivcsw)
}
