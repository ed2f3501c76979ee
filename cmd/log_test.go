package gocaffecmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/internal/reference"
)

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

// TestTimeOfInference times a net of phase TEST: forward only, with the layers that run in
// others, and with --no-fold both passes, as Caffe does.
func TestTimeOfInference(t *testing.T) {
	const text = `
layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: 'bn' type: 'BatchNorm' bottom: 'conv' top: 'conv' }
layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }`
	model := filepath.Join(t.TempDir(), "net.prototxt")
	if err := os.WriteFile(model, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	_, log := mustRun(t, "time", "--model", model, "--phase", "TEST", "--iterations", "2")
	if !strings.Contains(log, "Average Forward pass: ") || strings.Contains(log, "backward:") || strings.Contains(log, "Backward") ||
		strings.Count(log, "runs in conv") != 2 {
		t.Errorf("the log of a net for inference is\n%s", log)
	}
	_, log = mustRun(t, "time", "--model", model, "--phase", "TEST", "--iterations", "2", "--no-fold")
	if !strings.Contains(log, "Average Backward pass: ") || strings.Contains(log, "runs in conv") || !strings.Contains(log, "runs in bn") {
		t.Errorf("the log with --no-fold is\n%s", log)
	}
	// In phase TRAIN nothing is folded.
	code, _, stderr := run("time", "--model", model, "--iterations", "2", "--no-fold")
	if code != 1 || stderr != "gocaffe: --no-fold needs --phase TEST: nets of other phases are not folded\n" {
		t.Errorf("--no-fold in phase TRAIN: exit code %d, %s", code, stderr)
	}
	for args, want := range map[string]string{
		"--packed-weights 3":                        "needs --phase TEST",
		"--phase TEST --packed-weights 3 --no-fold": "[no-fold packed-weights]",
		"--phase TEST --packed-weights -1":          "invalid argument",
	} {
		if code, _, stderr := run(append([]string{"time", "--model", model}, strings.Fields(args)...)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, want 1 and %q in %s", args, code, want, stderr)
		}
	}
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
// Caffe's, and so does caffelog.
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
	ours, err := caffelog.Parse(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	caffes, err := caffelog.Parse(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if len(ours.Train) != 11 || len(ours.Train) != len(caffes.Train) || len(ours.Test[0]) != len(caffes.Test[0]) {
		t.Fatalf("caffelog.Parse reads %d rows and %d tests, of Caffe's log %d and %d",
			len(ours.Train), len(ours.Test[0]), len(caffes.Train), len(caffes.Test[0]))
	}
	for i, row := range ours.Train[:10] {
		if want := caffes.Train[i]; row.Iteration != want.Iteration || row.LearningRate != want.LearningRate || len(row.Outputs) != len(want.Outputs) {
			t.Errorf("row %d is %+v, of Caffe's log %+v", i, row, want)
		}
	}
	line := regexp.MustCompile(`(?m)^.*Iteration 10, lr = .*$`).FindString(log)
	if fields := strings.Fields(line); len(fields) < 9 || fields[8] != "0.0465506" {
		t.Errorf("awk's $9 of %q is not the learning rate, 0.0465506, which parse_log.sh prints", line)
	}
}
