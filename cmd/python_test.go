package gocaffecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/numpytest"
)

// pythonFolder changes to a folder with Python layers, a net and a solver that use
// them. param_str is that of a layer that may go wrong.
func pythonFolder(t *testing.T, paramStr string) {
	t.Helper()
	t.Setenv("GOCAFFE_PYTHON", numpytest.Python(t))
	t.Setenv("PYTHONPATH", "")
	dir := t.TempDir()
	for _, name := range []string{"losses.py", "data.py", "faults.py", "list.txt"} {
		write(t, filepath.Join(dir, name), readFile(t, filepath.Join("..", "layers", "python", "testdata", name)))
	}
	t.Chdir(dir)
	write(t, "net.prototxt", fmt.Sprintf(`name: "python"
layer { name: "data" type: "Python" top: "data" top: "label"
  python_param { module: "data" layer: "ListData" param_str: '{"batch": 7, "source": "list.txt"}' } }
layer { name: "fault" type: "Python" bottom: "data" top: "same" python_param { module: "faults" layer: "Fault" param_str: %q } }
layer { name: "scaled" type: "Python" bottom: "same" top: "scaled" python_param { module: "losses" layer: "Scaled" param_str: "0.5" } }
layer { name: "ip" type: "InnerProduct" bottom: "scaled" top: "ip" inner_product_param { num_output: 1 weight_filler { type: "constant" value: 0.1 } } }
layer { name: "loss" type: "Python" bottom: "ip" bottom: "label" top: "loss" loss_weight: 1
  python_param { module: "losses" layer: "Euclidean" } }
`, paramStr))
	write(t, "solver.prototxt", `net: "net.prototxt" base_lr: 0.02 lr_policy: "fixed" max_iter: 40 display: 10 snapshot: 25 snapshot_prefix: "snap" random_seed: 1`)
}

// TestPythonTrain trains a net with Python layers, and resumes.
func TestPythonTrain(t *testing.T) {
	pythonFolder(t, "exception nowhere")
	_, whole := mustRun(t, "train", "--solver", "solver.prototxt")
	if !strings.Contains(whole, "\n7 items for phase 0\n") {
		t.Errorf("what a layer prints is not on stderr as it is:\n%s", whole)
	}
	want := lossOf(t, whole, 30)
	if first := lossOf(t, whole, 0); !(want < 0.5*first) {
		t.Errorf("the loss is %g at first and %g after 30 iterations", first, want)
	}
	_, rest := mustRun(t, "train", "--solver", "solver.prototxt", "--snapshot", "snap_iter_25.solverstate")
	if got := lossOf(t, rest, 30); got != want {
		t.Errorf("the loss of iteration 30 is %g after resuming, want %g: a batch is the whole list", got, want)
	}
	if strings.Count(rest, "a snapshot does not have the state of Python code") != 1 {
		t.Errorf("want one note about the state of the data layer:\n%s", rest)
	}
}

// lossOf returns the loss of an iteration in a log.
func lossOf(t *testing.T, log string, iteration int) (loss float64) {
	t.Helper()
	_, after, _ := strings.Cut(log, fmt.Sprintf("] Iteration %d (", iteration))
	_, after, _ = strings.Cut(after, "loss = ")
	if _, err := fmt.Sscan(after, &loss); err != nil {
		t.Fatalf("no loss of iteration %d in\n%s", iteration, log)
	}
	return loss
}

// TestPythonFails checks that layers that fail or die end training with their error,
// and that no iteration is lost.
func TestPythonFails(t *testing.T) {
	for what, want := range map[string]string{
		"exception forward 13": "gocaffe: net.prototxt:4:1: layer \"fault\": faults.Fault.forward has failed: ValueError: no such value\ngocaffe: Traceback (most recent call last):\n",
		"crashes forward 13":   "gocaffe: net.prototxt:4:1: layer \"fault\": the Python process has ended (signal: segmentation fault)\n",
	} {
		t.Run(what, func(t *testing.T) {
			pythonFolder(t, what)
			code, _, stderr := run("train", "--solver", "solver.prototxt")
			if code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d and\n%s\nwant in it\n%s", code, stderr, want)
			}
			if _, err := os.Stat("snap_iter_12.solverstate"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPythonHangs interrupts training by a layer that hangs.
func TestPythonHangs(t *testing.T) {
	pythonFolder(t, "sleeps forward 13")
	cmd, log := start(t, func(log string) bool { return strings.Contains(log, "now: sleeps") }, "train", "-solver", "solver.prototxt")
	begin := time.Now()
	cmd.Process.Signal(os.Interrupt)
	err := finish(cmd)
	if took := time.Since(begin); err == nil || took > 25*time.Second || !strings.Contains(log.String(), `layer "fault": no result 5s after the signal to stop: the layer hangs`) {
		t.Errorf("after %v: %v\n%s", took, err, log)
	}
	if _, err := os.Stat("snap_iter_12.solverstate"); err != nil {
		t.Error(err)
	}
}

// TestPythonCheck checks nets with and without running their code.
func TestPythonCheck(t *testing.T) {
	pythonFolder(t, "exception nowhere")
	stdout, stderr := mustRun(t, "check", "net.prototxt")
	for _, want := range []string{"data    Python        7x2 7x1 ", "loss    Python        1 "} {
		if strings.Count(stdout, want) != 2 {
			t.Errorf("want %q in both phases:\n%s", want, stdout)
		}
	}
	if stderr != "7 items for phase 0\n7 items for phase 1\n" {
		t.Errorf("the layers have printed %q", stderr)
	}
	t.Setenv("GOCAFFE_PYTHON", "no_such_python")
	stdout, stderr = mustRun(t, "check", "--no-python", "net.prototxt")
	if want := "note: net.prototxt:2:1: layer \"data\": runs Python code, which was not run: the layers that read its tops are not checked\n" +
		"note: the shapes after these layers are not checked with --no-python\n"; strings.Count(stdout, want) != 2 || stderr != "" {
		t.Errorf("got\n%s%s\nwant twice\n%s", stdout, stderr, want)
	}
	code, _, stderr := run("check", "net.prototxt")
	if want := `gocaffe: net.prototxt:2:1: layer "data": GOCAFFE_PYTHON is "no_such_python": `; code != 1 || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit code %d and %q, want %q", code, stderr, want)
	}
}

// TestPythonDeploy checks that a net with code is not deployed.
func TestPythonDeploy(t *testing.T) {
	pythonFolder(t, "exception nowhere")
	mustRun(t, "train", "--solver", "solver.prototxt")
	code, _, stderr := run("deploy", "--model", "net.prototxt", "--weights", "snap_iter_40.caffemodel", "-o", "out")
	if want := "gocaffe: net.prototxt:2:28: layer \"data\": is Python code, which a deployed net cannot have"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d and\n%s\nwant %s", code, stderr, want)
	}
}
