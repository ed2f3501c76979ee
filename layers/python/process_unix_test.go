//go:build unix

package python_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/layers/python"
)

// TestHang checks that a layer that hangs does not hold up a program that is to stop,
// and that its process is killed.
func TestHang(t *testing.T) {
	usePython(t)
	python.SetStopTime(t, 100*time.Millisecond)
	for _, what := range []string{"sleeps", "sleeps_in_c"} {
		stop := make(chan struct{})
		start := time.Now()
		f, err := layertest.SetUp(&layers.Env{Stop: stop}, fault(what, "forward"), layertest.Gaussian(1, 2, 3))
		if err != nil {
			t.Fatal(err)
		}
		pid := python.PID(f.Layer)
		time.AfterFunc(100*time.Millisecond, func() { close(stop) })
		err = f.Layer.Forward(t.Context(), f.Bottom, f.Top)
		if err == nil || !strings.Contains(err.Error(), "no result 100ms after the signal to stop: the layer hangs") {
			t.Errorf("%s: got the error %v", what, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		waitForEnd(t, pid)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s: it took %v", what, took)
		}
	}
}

// waitForEnd waits until a process is gone, zombies included.
func waitForEnd(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
	syscall.Kill(pid, syscall.SIGKILL)
}

// TestEnd checks that the process ends with the last layer.
func TestEnd(t *testing.T) {
	usePython(t)
	var pids []int
	var all []*layertest.Fixture
	for range 2 {
		f := layertest.New(t, euclidean, layertest.Gaussian(1, 2, 3), layertest.Gaussian(2, 2, 3))
		all = append(all, f)
		pids = append(pids, python.PID(f.Layer))
	}
	if pids[0] != pids[1] {
		t.Errorf("two layers are in the processes %v", pids)
	}
	all[0].Close()
	if err := all[1].Forward(); err != nil {
		t.Errorf("after another layer was closed: %v", err)
	}
	all[1].Close()
	waitForEnd(t, pids[0])
}

// TestKilled kills a program with SIGKILL while a layer hangs, even in C code: the
// process of Python ends too.
func TestKilled(t *testing.T) {
	if what := os.Getenv("TEST_KILLED"); what != "" { // the program to be killed
		f := layertest.New(t, fault(what, "forward"), layertest.Gaussian(1, 2, 3))
		fmt.Println("pid", python.PID(f.Layer))
		f.Forward()
		return
	}
	usePython(t)
	for _, what := range []string{"sleeps", "sleeps_in_c"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "TEST_KILLED="+what)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		pid := 0
		for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
				pid, err = strconv.Atoi(text)
			}
		}
		time.Sleep(300 * time.Millisecond) // so that the layer hangs
		cmd.Process.Kill()
		cmd.Wait()
		if pid == 0 || err != nil {
			t.Fatalf("the program has printed no pid, error %v", err)
		}
		waitForEnd(t, pid)
	}
}
