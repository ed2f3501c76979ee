package gocaffecmd

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestDataPlugin builds a gocaffe with the sample of a data layer and trains with
// it. A resumed training, on another number of threads, ends with the same weights.
func TestDataPlugin(t *testing.T) {
	needsGo(t)
	work := t.TempDir()
	t.Chdir(work)
	sample := filepath.Join(packageDir, "..", "examples", "dataplugin")
	execute(t, sample, "go", "test", "./...")
	checkModule(t, sample)

	program := filepath.Join(work, "csvcaffe")
	stdout, _ := mustRun(t, "build", "--with", sample, "-o", program)
	if want := program + ": layer types of example.org/csvdata: CSVData\n"; stdout != want {
		t.Errorf("build says\n%swant\n%s", stdout, want)
	}
	copyFiles(t, sample, work, "net.prototxt", "solver.prototxt", "arm_train.csv", "arm_test.csv")
	execute(t, work, program, "check", "solver.prototxt")
	const weights = "arm_iter_2000.caffemodel"
	var once []byte
	for i, args := range [][]string{
		{"train", "--solver", "solver.prototxt", "--threads", "1"},
		{"train", "--solver", "solver.prototxt", "--threads", "3", "--snapshot", "arm_iter_1000.solverstate"},
	} {
		log := execute(t, work, program, args...)
		losses := regexp.MustCompile(`Test net output #0: loss = (\S+)`).FindAllStringSubmatch(log, -1)
		if len(losses) == 0 {
			t.Fatalf("%v: no loss in\n%s", args, log)
		}
		// A net that always predicts the middle has a loss of 1.1.
		if last, err := strconv.ParseFloat(losses[len(losses)-1][1], 64); err != nil || !(last < 0.005) {
			t.Errorf("%v: the loss is %v at the end, %v, want less than 0.005", args, last, err)
		}
		got, err := os.ReadFile(weights)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			once = got
			if err := os.Remove(weights); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(got, once) {
			t.Errorf("the resumed training has other weights than the one that was not interrupted")
		}
	}
}
