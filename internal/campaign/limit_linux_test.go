package campaign

import "syscall"

// limitMemory makes the process fail if it uses more than the given number of bytes.
func limitMemory(bytes uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes})
}
