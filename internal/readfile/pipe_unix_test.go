//go:build unix

package readfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hurry shortens the waiting times.
func hurry(t *testing.T, writer, data time.Duration) {
	beforeWriter, beforeData := waitForWriter, waitForData
	waitForWriter, waitForData = writer, data
	t.Cleanup(func() { waitForWriter, waitForData = beforeWriter, beforeData })
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPipe(t *testing.T) {
	path := fifo(t)
	if _, _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+" is a pipe, want a regular file") {
		t.Errorf("Open: %v", err)
	}
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} { // the writer comes later
		want := strings.Repeat("what comes out of a pipe\n", 10000)
		go func() {
			time.Sleep(delay)
			w, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			w.WriteString(want[:100])
			time.Sleep(delay)
			w.WriteString(want[100:])
		}()
		if got, err := Text(t.Context(), path); err != nil || string(got) != want {
			t.Errorf("%d bytes, error %v, want %d", len(got), err, len(want))
		}
	}
}

func TestSilentPipe(t *testing.T) {
	hurry(t, 50*time.Millisecond, 50*time.Millisecond)
	path := fifo(t)
	if _, err := Text(t.Context(), path); err == nil || !strings.Contains(err.Error(), path+": nothing came from the pipe in 50ms") {
		t.Errorf("nobody writes: %v", err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := Text(t.Context(), path); err == nil || !strings.Contains(err.Error(), path+": nothing more came from the pipe or device in 50ms") {
		t.Errorf("a writer that does not write: %v", err)
	}
	hurry(t, time.Minute, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Text(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestDevice reads an endless device.
func TestDevice(t *testing.T) {
	const path = "/dev/zero"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	if _, err := All(path, 1<<20); err == nil || !strings.Contains(err.Error(), path+" is a device, want a regular file") {
		t.Errorf("All: %v", err)
	}
	if text, err := Text(t.Context(), path); err == nil || !strings.Contains(err.Error(), path+": more than 16 MiB") {
		t.Errorf("Text: %d bytes, error %v", len(text), err)
	}
}

// TestNoWorkingDirectory: a folder that was removed has no name.
func TestNoWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PWD", "")
	if err := os.Remove(dir); err != nil {
		t.Skipf("SKIPPED: the system keeps a working directory: %v", err)
	}
	_, _, err := Open("absent")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"absent": no such file (the working directory is gone: `) {
		t.Errorf("got %v", err)
	}
}
