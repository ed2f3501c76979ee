package gocaffecmd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lastIteration returns the last iteration that a log shows the loss of, or -1.
func lastIteration(log string) int {
	last := -1
	for _, m := range regexp.MustCompile(`Iteration (\d+) \(`).FindAllStringSubmatch(log, -1) {
		last, _ = strconv.Atoi(m[1])
	}
	return last
}

// TestSignals stops training by SIGINT, which leaves a snapshot, and asks for a
// snapshot by SIGHUP, after which training goes on.
func TestSignals(t *testing.T) {
	resumeFolder(t)
	long := strings.Replace(fmt.Sprintf(resumeSolver, "signal"), "max_iter: 40", "max_iter: 1000000", 1)
	write(t, "solver.prototxt", strings.Replace(long, "snapshot: 20", "", 1))
	running := func(log string) bool { return strings.Contains(log, "Iteration 5 ") }

	cmd, log := start(t, running, "train", "-solver", "solver.prototxt")
	snapshots := func() []string {
		states, err := filepath.Glob("signal_iter_*.solverstate")
		if err != nil {
			t.Fatal(err)
		}
		return states
	}
	cmd.Process.Signal(syscall.SIGHUP)
	for deadline := time.Now().Add(20 * time.Second); len(snapshots()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("SIGHUP has made no snapshot")
		}
	}
	// A test may stand between the snapshot and the next iteration, and a stop in it
	// writes the same snapshot again.
	var at int
	if _, err := fmt.Sscanf(snapshots()[0], "signal_iter_%d.solverstate", &at); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); lastIteration(log.String()) <= at; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("training does not go on after iteration %d", at)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := finish(cmd); err != nil {
		t.Errorf("after SIGINT: %v\n%s", err, log)
	}
	if !strings.Contains(log.String(), "Optimization stopped early.") {
		t.Errorf("the log does not say that training was stopped:\n%s", log)
	}
	if n := len(snapshots()); n != 2 {
		t.Errorf("%d snapshots, want one for each signal", n)
	}

	cmd, log = start(t, running, "train", "-solver", "solver.prototxt", "-sigint_effect", "none", "-sighup_effect", "stop")
	cmd.Process.Signal(os.Interrupt)
	time.Sleep(100 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGHUP)
	if err := finish(cmd); err != nil {
		t.Errorf("after SIGHUP: %v", err)
	}
	if !strings.Contains(log.String(), "Optimization stopped early.") {
		t.Error("SIGHUP with --sighup-effect=stop has not stopped training")
	}
}

// TestSignalsThatStop: SIGTERM, which batch systems send, and the end of the
// program that reads the log leave a snapshot as SIGINT does.
func TestSignalsThatStop(t *testing.T) {
	resumeFolder(t)
	long := strings.Replace(fmt.Sprintf(resumeSolver, "stopped"), "max_iter: 40", "max_iter: 1000000", 1)
	write(t, "solver.prototxt", strings.Replace(long, "snapshot: 20", "", 1))
	running := func(log string) bool { return strings.Contains(log, "Iteration 5 ") }
	snapshots := func() []string {
		states, err := filepath.Glob("stopped_iter_*.solverstate")
		if err != nil {
			t.Fatal(err)
		}
		return states
	}
	cmd, log := start(t, running, "train", "-solver", "solver.prototxt")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := finish(cmd); err != nil || len(snapshots()) != 1 {
		t.Errorf("after SIGTERM: %v, snapshots %q\n%s", err, snapshots(), log)
	}

	// The log goes into a pipe whose reader ends.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(path, "train", "-solver", "solver.prototxt")
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	lines := bufio.NewScanner(reader)
	for lines.Scan() && !running(lines.Text()) {
	}
	for _, path := range snapshots() {
		os.Remove(path)
	}
	reader.Close()
	if err := finish(cmd); err != nil || len(snapshots()) != 1 {
		t.Errorf("after the end of the log's reader: %v, snapshots %q", err, snapshots())
	}
}

// A command that is stopped says by what.
func TestStoppedBySignal(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", `layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 8 dim: 8 } } }
		layer { name: "r" type: "ReLU" bottom: "x" top: "r" }`)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, log := start(t, func(log string) bool { return strings.Contains(log, "Benchmark begins") },
			"time", "--model", "net.prototxt", "--iterations", "100000000")
		cmd.Process.Signal(sig)
		if err := finish(cmd); err == nil || !strings.HasSuffix(log.String(), "gocaffe: stopped: "+sig.String()+" signal received\n") {
			t.Errorf("%v: got %v and\n%s", sig, err, log)
		}
	}
}
