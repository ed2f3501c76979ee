package python

import (
	"os"

	"golang.org/x/sys/unix"
)

// newMemory creates a file in memory that has no name and is not part of a file
// system: /dev/shm is small in containers. Where the kernel cannot do that, it is a
// temporary file.
func newMemory() (*memory, error) {
	fd, err := unix.MemfdCreate("gocaffe-python", unix.MFD_CLOEXEC)
	if err != nil {
		return newFile()
	}
	return &memory{file: os.NewFile(uintptr(fd), "memory shared with Python")}, nil
}

// extend makes the file n bytes longer.
func (m *memory) extend(n int) error {
	if m.path != "" {
		return m.fill(n)
	}
	return m.file.Truncate(m.size + int64(n)) // memory is taken when it is written to
}
