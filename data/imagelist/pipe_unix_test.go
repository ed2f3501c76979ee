//go:build unix

package imagelist

import (
	"path/filepath"
	"syscall"
	"testing"
)

// pipes makes a named pipe, which nobody writes to.
func pipes(t *testing.T) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{name}
}
