// Package examples_test runs the commands of the READMEs of the examples.
package examples_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestReadmes runs what the READMEs say, in a copy of this folder, one example after
// the other: most others go on from mnist.
func TestReadmes(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: builds programs and trains nets")
	}
	e := newExamples(t)
	t.Run("mnist", func(t *testing.T) {
		out := e.run(t, "mnist", func(command string) bool { return !strings.Contains(command, "DATA") })
		if got := accuracies(out["gocaffe train --solver solver.prototxt"]); got[0] > 0.3 || got[len(got)-1] < 0.95 {
			t.Errorf("accuracy goes from %v to %v, want it to rise to 0.95", got[0], got[len(got)-1])
		}
	})
	t.Run("finetune", func(t *testing.T) {
		out := e.run(t, "finetune", nil)
		tuned := accuracies(out["gocaffe train --solver solver.prototxt --weights ../mnist/lenet_iter_500.caffemodel"])
		scratch := accuracies(out["gocaffe train --solver solver.prototxt"])
		if a, b := tuned[len(tuned)-1], scratch[len(scratch)-1]; a < 0.75 || a < b+0.1 {
			t.Errorf("accuracy is %v with weights and %v without, want 0.75 and a gain of 0.1", a, b)
		}
		program := accuracies(out["go run . ../mnist/lenet_iter_500.caffemodel averaged.caffemodel"])
		averaged := accuracies(out["gocaffe test --model net.prototxt --weights averaged.caffemodel --iterations all"])
		if a, b := program[len(program)-1], averaged[len(averaged)-1]; a < 0.7 || b < 0.75 {
			t.Errorf("the program reaches an accuracy of %v, and %v with averaged weights, want 0.7 and 0.75", a, b)
		}
	})
	t.Run("surgery", func(t *testing.T) {
		out := e.run(t, "surgery", nil)
		got := out["go run . ../mnist/lenet_iter_500.caffemodel convolutional.caffemodel ../inference/four.png"]
		if n := len(regexp.MustCompile(`(?m)^at column +\d+: 4 \(0\.[6-9]`).FindAllString(got, -1)); n != 3 {
			t.Errorf("the program prints\n%swant 3 times a 4, with a probability above 0.6", got)
		}
	})
	t.Run("features", func(t *testing.T) {
		out := e.run(t, "features", nil)
		got := out["go run . net.prototxt ../mnist/lenet_iter_500.caffemodel ip1"]
		match := regexp.MustCompile(`^500 features of (\d+) records; .* (\d+) of (\d+) are right`).FindStringSubmatch(got)
		if match == nil {
			t.Fatalf("the program prints\n%s", got)
		}
		right, _ := strconv.ParseFloat(match[2], 64)
		if total, _ := strconv.ParseFloat(match[3], 64); total == 0 || right/total < 0.85 {
			t.Errorf("%s of %s are right, want 0.85", match[2], match[3])
		}
	})
	t.Run("inference", func(t *testing.T) {
		out := e.run(t, "inference", nil)
		want := regexp.MustCompile(`(?m)^four\.png:  4 \(0\.[6-9]`)
		if got := out["go run . deployed/deploy.prototxt deployed/deploy.caffemodel four.png"]; !want.MatchString(got) {
			t.Errorf("of four.png the program says\n%swant 4 first, with a probability above 0.6", got)
		}
	})
	t.Run("library", func(t *testing.T) {
		out := e.run(t, "library", nil)["go run ."]
		match := regexp.MustCompile(`(\d+) of 100 new points are right`).FindStringSubmatch(out)
		if match == nil {
			t.Fatalf("the program prints\n%s", out)
		}
		if right, err := strconv.Atoi(match[1]); err != nil || right < 95 {
			t.Errorf("%s points are right, want 95", match[1])
		}
	})
	t.Run("plugin", func(t *testing.T) {
		out := e.run(t, "plugin", nil)["./gemcaffe train --solver solver.prototxt"]
		if got := accuracies(out); got[len(got)-1] < 0.85 {
			t.Errorf("the last accuracy is %v, want 0.85", got[len(got)-1])
		}
	})
	t.Run("dataplugin", func(t *testing.T) {
		out := e.run(t, "dataplugin", nil)
		whole := out["./csvcaffe train --solver solver.prototxt"]
		loss := regexp.MustCompile(`Test net output #0: \w+ = (\S+)`).FindAllStringSubmatch(whole, -1)
		if len(loss) == 0 {
			t.Fatalf("no loss in\n%s", whole)
		}
		if last, err := strconv.ParseFloat(loss[len(loss)-1][1], 64); err != nil || !(last < 0.002) {
			t.Errorf("the last loss is %v, want 0.002", last)
		}
	})
	t.Run("mnist with MNIST", func(t *testing.T) {
		mnist := reference.Data(t, "mnist")
		e := newExamples(t)
		e.data = mnist
		out := e.run(t, "mnist", func(command string) bool {
			return !strings.Contains(command, "convert digits") && !strings.HasPrefix(command, "mv ")
		})
		if got := accuracies(out["gocaffe train --solver solver.prototxt"]); got[len(got)-1] < 0.95 {
			t.Errorf("the last accuracy is %v, want 0.95", got[len(got)-1])
		}
	})
}

// accuracies returns the accuracies of a training's log, 0 if there is none.
func accuracies(log string) []float64 {
	list := []float64{}
	for _, match := range regexp.MustCompile(`accuracy = ([\d.]+)`).FindAllStringSubmatch(log, -1) {
		v, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return []float64{0}
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return []float64{0}
	}
	return list
}

// examples is a copy of this folder, and a gocaffe.
type examples struct {
	dir  string
	env  []string
	data string // the folder that READMEs call DATA
}

// source matches the files of the examples; others were left by their commands.
var source = regexp.MustCompile(`\.(go|mod|sum|md|proto|prototxt|csv|png|cu|h|ptx|gz|txt)$`)

func newExamples(t *testing.T) *examples {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	e := &examples{dir: t.TempDir()}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !source.MatchString(path) || filepath.Dir(path) == "." {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(e.dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(e.dir, "bin")
	e.env = append(os.Environ(), "GOCAFFE_SOURCE="+root, "CGO_ENABLED=0", "GOWORK=off",
		"PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	e.execute(t, root, "go", "build", "-o", filepath.Join(bin, "gocaffe"), "./cmd/gocaffe")
	e.modules(t, root)
	return e
}

// modules lets the modules of the copy use gocaffe from its folder. An example that
// is part of gocaffe's module gets one of its own.
func (e *examples) modules(t *testing.T, root string) {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(e.dir, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range mains {
		dir := filepath.Dir(file)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			for _, name := range []string{"go.mod", "go.sum"} {
				text, err := os.ReadFile(filepath.Join(root, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			e.execute(t, dir, "go", "mod", "edit", "-module=example.org/"+filepath.Base(dir), "-require=github.com/gocaffe/gocaffe@v0.0.0")
		}
		e.execute(t, dir, "go", "mod", "edit", "-replace=github.com/gocaffe/gocaffe="+root)
	}
}

// execute runs a program in a folder and returns what it prints.
func (e *examples) execute(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, e.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, tail(out))
	}
	return string(out)
}

// tail returns the last lines.
func tail(out []byte) []byte {
	lines := bytes.Split(out, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-30):], []byte("\n"))
}

// command matches a line of a README that is a command, and not what one prints.
var command = regexp.MustCompile(`^    ((gocaffe|go|mv|cd) .*|\./.*)$`)

// run runs the commands of an example's README that take accepts, all if it is nil,
// and returns the output of each.
func (e *examples) run(t *testing.T, name string, take func(command string) bool) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	output := make(map[string]string)
	whole := regexp.MustCompile(` *\\\n +`).ReplaceAllString(string(text), " ") // lines that go on
	for line := range strings.Lines(whole) {
		match := command.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case match == nil || take != nil && !take(match[1]):
			continue
		case match[1] == "cd examples/"+name:
			continue
		}
		output[match[1]] = e.execute(t, filepath.Join(e.dir, name), "sh", "-ec", strings.ReplaceAll(match[1], "DATA", fmt.Sprintf("%q", e.data)))
		t.Logf("ran %s", match[1])
	}
	if len(output) == 0 {
		t.Fatal("the README has no commands")
	}
	return output
}

// TestAllTested checks that no example is forgotten.
func TestAllTested(t *testing.T) {
	text, err := os.ReadFile("examples_test.go")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, readme := range dirs {
		if !strings.Contains(string(text), fmt.Sprintf("t.Run(%q,", filepath.Dir(readme))) {
			t.Errorf("TestReadmes does not run %s", readme)
		}
	}
}
