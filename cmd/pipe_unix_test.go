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

// A signal that comes while files are read or a net is made ends the program at
// once, with a message and without a trace. Here it waits for a list of images that
// comes out of a pipe.
func TestSignalWhileLoading(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("list.txt", 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := os.OpenFile("list.txt", os.O_RDWR, 0) // both ends, so that no reader sees the end
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	write(t, "net.prototxt", `layer { name: "d" type: "ImageData" top: "x" top: "y" image_data_param { source: "list.txt" batch_size: 1 } }
		layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }
		layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "l" }`)
	write(t, "solver.prototxt", `net: "net.prototxt" max_iter: 1 lr_policy: "fixed" base_lr: 0.1 snapshot_prefix: "s"`)
	before, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"train", "--solver", "solver.prototxt"},
		{"train", "--solver", "solver.prototxt", "--sigint-effect", "snapshot", "--sighup-effect", "stop"},
		{"time", "--model", "net.prototxt"},
	} {
		sig, want := syscall.SIGTERM, "gocaffe: stopped: terminated signal received\n"
		if args[0] == "train" {
			want = "gocaffe: train: ended by the signal terminated while it was loading; nothing was trained\n"
		}
		if len(args) > 3 {
			sig, want = syscall.SIGHUP, strings.Replace(want, "terminated", "hangup", 1)
		}
		cmd, log := start(t, func(log string) bool { return strings.Contains(log, "Creating Layer d") }, args...)
		cmd.Process.Signal(sig)
		began := time.Now()
		if err := finish(cmd); err == nil || !strings.HasSuffix(log.String(), want) {
			t.Errorf("%q, %v: got %v and\n%s\nwant %s", args, sig, err, log, want)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q ended after %v", args, took)
		}
	}
	if after, err := os.ReadDir("."); err != nil || len(after) != len(before) {
		t.Errorf("%v is in the folder, error %v, want %v", after, err, before)
	}
}
