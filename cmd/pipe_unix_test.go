//go:build unix

package gocaffecmd

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipe checks a net that comes from a pipe, as in "check <(program)".
func TestPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: /dev/fd is Linux's here")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Fprint(w, `layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }`)
	w.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if code, stdout, stderr := run("check", path); code != 0 || !strings.Contains(stdout, path) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestInterruptedPipe ends training that waits for its solver by Ctrl-C.
func TestInterruptedPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile("pipe", os.O_RDWR, 0) // which writes nothing
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt) // or it would end the test before train has its handler
	defer signal.Stop(signals)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if code, _, stderr := run("train", "--solver", "pipe"); code != 1 || stderr != "gocaffe: ended by the signal interrupt\n" {
			t.Errorf("exit code %d with %q", code, stderr)
		}
	}()
	for deadline := time.After(30 * time.Second); ; {
		select {
		case <-done:
			return
		case <-deadline:
			t.Fatal("train does not end")
		case <-time.After(20 * time.Millisecond):
			syscall.Kill(os.Getpid(), syscall.SIGINT)
		}
	}
}
