package filelock

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const childVar = "GOCAFFE_FILELOCK_CHILD"

// TestMain makes the test program act as another process, which takes a lock and
// holds it until its input ends.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVar); path != "" {
		if _, err := Acquire(path); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("locked\n")
		bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVar+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	_, err = Acquire(path)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != child.Process.Pid {
		t.Errorf("got %v, want an error with process %d", err, child.Process.Pid)
	}
	child.Process.Kill()
	child.Wait()

	lock, err := Acquire(path) // the lock of a killed process is free
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); err == nil {
		t.Error("the lock could be taken twice")
	}
	lock.Unlock()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Unlock: %v, want no file", err)
	}
	if lock, err = Acquire(path); err != nil {
		t.Error(err)
	}
	lock.Unlock()
}
