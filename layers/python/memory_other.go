//go:build !linux

package python

// newMemory creates a temporary file.
func newMemory() (*memory, error) { return newFile() }

// extend makes the file n bytes longer.
func (m *memory) extend(n int) error { return m.fill(n) }
