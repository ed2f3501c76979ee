package gocaffecmd

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/reference"

	_ "github.com/gocaffe/gocaffe/layers/all"
)

// run runs a command line in this process and returns what it wrote.
func run(args ...string) (code int, stdout, stderr string) {
	var out, err strings.Builder
	code = Run(args, &out, &err)
	return code, out.String(), err.String()
}

// mustRun is run for a command line that must work.
func mustRun(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := run(args...)
	if code != 0 {
		t.Fatalf("gocaffe %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// program builds the program once for the tests that need a process of its
// own.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gocaffe")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "gocaffe")
	build := exec.Command("go", "build", "-o", path, "./gocaffe")
	build.Dir = packageDir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// packageDir is the folder of this package: tests work in folders of their own.
// programDir is that of the program, if a test has needed it.
var packageDir, programDir string

func TestMain(m *testing.M) {
	var err error
	if packageDir, err = os.Getwd(); err != nil {
		panic(err)
	}
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// copyFiles copies files of a folder into another.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// logFolder makes a folder with the net, the solver and the database of the
// logs that Caffe has written, and works in it.
func logFolder(t *testing.T) (golden string) {
	t.Helper()
	golden = reference.Golden(t, "formats")
	golden, err := filepath.Abs(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyFiles(t, filepath.Join(golden, "logs"), dir, "net.prototxt", "solver.prototxt", "small_iter_100.caffemodel", "small_iter_100.solverstate")
	copyFiles(t, golden, dir, "idx_lmdb/data.mdb")
	t.Chdir(dir)
	return filepath.Join(golden, "logs")
}

var (
	prefix  = regexp.MustCompile(`(?m)^([IW])\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ `)
	number  = regexp.MustCompile(`[-+]?\d+\.?\d*(e[-+]\d+)?|nan|inf`)
	waiting = regexp.MustCompile(`(?m)^.*(data_layer.cpp:73\]|blocking_queue.cpp:49\]).*\n`)
)

// masked returns a log without times, values and the lines whose place is up
// to the scheduler: what is left must be Caffe's to the letter.
func masked(log string) []string {
	log = waiting.ReplaceAllString(log, "")
	log = prefix.ReplaceAllString(log, "$1 ")
	var lines []string
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		place, text, ok := strings.Cut(line, "] ")
		if !ok {
			lines = append(lines, line) // a line of a net or solver
			continue
		}
		switch {
		case strings.Contains(place, "solver.cpp:"), strings.Contains(place, "caffe.cpp:3"), strings.Contains(place, "caffe.cpp:4"):
			text = number.ReplaceAllString(text, "N")
			text = strings.ReplaceAll(text, " (* N = N loss)", "") // shown for a loss only, which the names tell
		}
		lines = append(lines, place+"] "+text)
	}
	return lines
}

// sameLog compares a log with Caffe's.
func sameLog(t *testing.T, got, want string) {
	t.Helper()
	g, w := masked(got), masked(want)
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d of the log (times and values masked) is\n\t%s\nCaffe's is\n\t%s", i+1, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Fatalf("the log has %d lines, Caffe's has %d; the first more is\n\t%s", len(g), len(w), append(g, w...)[min(len(g), len(w))])
	}
}

// TestLogs runs train, train --snapshot, test and time as Caffe was run for
// the golden logs.
func TestLogs(t *testing.T) {
	golden := logFolder(t)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, log := mustRun(t, "train", "-solver", "solver.prototxt")
	sameLog(t, log, read("train.log"))
	_, log = mustRun(t, "train", "--solver=solver.prototxt", "--snapshot=small_iter_40.solverstate")
	sameLog(t, log, read("resume.log"))
	_, log = mustRun(t, "test", "-model", "net.prototxt", "-weights", "small_iter_100.caffemodel", "-iterations", "4")
	sameLog(t, log, read("test.log"))
	_, log = mustRun(t, "-iterations=5", "time", "-model=net.prototxt")
	sameLog(t, log, read("time.log"))
}

// TestScores compares every number of caffe test with Caffe's, for Caffe's own
// weights.
func TestScores(t *testing.T) {
	golden := logFolder(t)
	want, err := os.ReadFile(filepath.Join(golden, "test.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, log := mustRun(t, "test", "-model", "net.prototxt", "-weights", "small_iter_100.caffemodel", "-iterations", "4")
	scores := regexp.MustCompile(`\] ((?:Batch \d+, )?(?:accuracy|loss) = |Loss: )(\S+)`)
	g, w := scores.FindAllStringSubmatch(log, -1), scores.FindAllStringSubmatch(string(want), -1)
	if len(g) != len(w) || len(g) == 0 {
		t.Fatalf("%d scores, Caffe has %d", len(g), len(w))
	}
	for i := range g {
		var got, want float64
		fmt.Sscan(g[i][2], &got)
		fmt.Sscan(w[i][2], &want)
		// Losses of 4e-5 are 1 minus a probability that float32 resolves to 6e-8.
		if diff := got - want; g[i][1] != w[i][1] || diff > 2e-7 || diff < -2e-7 {
			t.Errorf("%s%s, Caffe has %s%s", g[i][1], g[i][2], w[i][1], w[i][2])
		}
	}
}

// parseLog is what Caffe's tools/extra/parse_log.py looks for in a log.
var parseLog = []*regexp.Regexp{
	regexp.MustCompile(`Iteration (\d+)`),
	regexp.MustCompile(`Train net output #(\d+): (\S+) = ([\.\deE+-]+)`),
	regexp.MustCompile(`Test net output #(\d+): (\S+) = ([\.\deE+-]+)`),
	regexp.MustCompile(`lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)`),
}

// TestParseLog holds that Caffe's scripts find as much in our log as in
// Caffe's.
func TestParseLog(t *testing.T) {
	golden := logFolder(t)
	want, err := os.ReadFile(filepath.Join(golden, "train.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, log := mustRun(t, "train", "-solver", "solver.prototxt")
	for _, re := range parseLog {
		if g, w := len(re.FindAllString(log, -1)), len(re.FindAllString(string(want), -1)); g != w || g == 0 {
			t.Errorf("%v matches %d times, in Caffe's log %d times", re, g, w)
		}
	}
	line := regexp.MustCompile(`(?m)^.*Iteration 10, lr = .*$`).FindString(log)
	if fields := strings.Fields(line); len(fields) < 9 || fields[8] != "0.0465506" {
		t.Errorf("awk's $9 of %q is not the learning rate, 0.0465506, which parse_log.sh prints", line)
	}
}

// resumeNet has everything that chance decides: dropout, a shuffled list,
// random crops and mirror images.
const resumeNet = `
name: "chance"
layer {
  name: "images" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.01 crop_size: 10 mirror: true mean_value: 100 }
  image_data_param { source: "list.txt" root_folder: "%s/" batch_size: 7 shuffle: true new_height: 12 new_width: 12 }
}
layer {
  name: "images" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.01 crop_size: 10 mean_value: 100 }
  image_data_param { source: "list.txt" root_folder: "%[1]s/" batch_size: 7 new_height: 12 new_width: 12 }
}
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer {
  name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

const resumeSolver = `
net: "net.prototxt"
test_iter: 2
test_interval: 15
base_lr: 0.01
momentum: 0.9
weight_decay: 0.001
lr_policy: "step"
gamma: 0.5
stepsize: 12
iter_size: 2
max_iter: 40
snapshot: 20
snapshot_prefix: "%s"
random_seed: 3
display: 5
`

// resumeFolder makes a folder with a net that learns from images, and works in
// it.
func resumeFolder(t *testing.T) {
	t.Helper()
	images, err := filepath.Abs(reference.Golden(t, "formats/images"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyFiles(t, filepath.Dir(images), dir, "list.txt")
	t.Chdir(dir)
	write(t, "net.prototxt", fmt.Sprintf(resumeNet, filepath.ToSlash(images)))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// start runs the program in a process of its own. It returns when wait tells
// that it has come far enough.
func start(t *testing.T, wait func(log string) bool, args ...string) (*exec.Cmd, *buffer) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	log := new(buffer)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	for deadline := time.Now().Add(60 * time.Second); !wait(log.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gocaffe %s has not come to the point in a minute:\n%s", strings.Join(args, " "), log.String())
		}
	}
	return cmd, log
}

// finish waits for the program to end, which it must within half a minute.
func finish(cmd *exec.Cmd) error {
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	return cmd.Wait()
}

// buffer is a bytes.Buffer that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestResumeAfterKill compares training of 40 iterations with training that is
// killed after the snapshot of iteration 20 and continued, for one and two
// threads: the weights must be the same to the last bit, and so must they be
// for every number of threads.
func TestResumeAfterKill(t *testing.T) {
	resumeFolder(t)
	write(t, "whole.prototxt", fmt.Sprintf(resumeSolver, "whole"))
	mustRun(t, "train", "-solver", "whole.prototxt", "-threads", "1")
	want, err := os.ReadFile("whole_iter_40.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	half, err := os.ReadFile("whole_iter_20.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, half) {
		t.Fatal("the weights do not change from iteration 20 to 40")
	}
	for _, threads := range []string{"1", "2"} {
		t.Run(threads+" threads", func(t *testing.T) {
			name := "killed" + threads
			write(t, name+".prototxt", fmt.Sprintf(resumeSolver, name))
			cmd, _ := start(t, func(string) bool {
				_, err := os.Stat(name + "_iter_20.solverstate")
				return err == nil
			}, "train", "-solver", name+".prototxt", "-threads", threads)
			cmd.Process.Signal(syscall.SIGKILL)
			cmd.Wait()
			os.Remove(name + "_iter_40.caffemodel") // if it was quicker than the signal
			mustRun(t, "train", "-solver", name+".prototxt", "-snapshot", name+"_iter_20.solverstate", "-threads", threads)
			got, err := os.ReadFile(name + "_iter_40.caffemodel")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the weights differ from those of the run that was not interrupted")
			}
		})
	}
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

// A result that cannot be written is no success.
func TestOutputLost(t *testing.T) {
	var stderr strings.Builder
	if code := Run([]string{"layers"}, fullDisk{}, &stderr); code != 1 || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d, %q, want 1 and the reason", code, stderr.String())
	}
}

// fullDisk is a writer that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
