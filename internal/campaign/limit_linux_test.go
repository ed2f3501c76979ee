package campaign

import "syscall"

// limitMemory lets the process fail when it takes more than so many bytes.
func limitMemory(bytes uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes})
}
