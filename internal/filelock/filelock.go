// Package filelock keeps two processes from writing the same files.
package filelock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A Lock is held by this process until Unlock, or until the process ends in any way.
type Lock struct {
	file *os.File // nil where the file system has no locks
}

// Acquire creates the file path and locks it. If another process holds the lock, the
// error is a *HeldError.
func Acquire(path string) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		held, err := tryLock(f)
		switch {
		case err != nil: // a network file system without locks, say: better none than no training
			f.Close()
			os.Remove(path)
			return &Lock{}, nil
		case held:
			defer f.Close()
			return nil, &HeldError{Path: path, PID: owner(f)}
		case !isAt(f, path): // its last owner has removed it in the meantime
			f.Close()
			continue
		}
		// On a full disk the lock works without the number.
		if err := f.Truncate(0); err == nil {
			f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		return &Lock{file: f}, nil
	}
}

// Unlock removes the file and releases the lock. On a nil Lock it does nothing.
func (l *Lock) Unlock() {
	if l == nil || l.file == nil {
		return
	}
	os.Remove(l.file.Name()) // before releasing the lock, to not remove another process's file
	l.file.Close()
	l.file = nil
}

// A HeldError is the error of Acquire if another process holds the lock.
type HeldError struct {
	Path string
	PID  int // 0 if it is not known
}

// Error names the process and the file.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another process holds the lock %s", e.Path)
	}
	return fmt.Sprintf("process %d holds the lock %s", e.PID, e.Path)
}

// owner returns the process number in a lock file, or 0.
func owner(f *os.File) int {
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid
}

// isAt reports whether the open file is the one at path.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(open, now)
}
