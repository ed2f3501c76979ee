package solver_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// enterLogs goes to a folder with copies of net and solver of formats/logs and
// a link to their database, and returns the folder of the logs.
func enterLogs(t *testing.T) string {
	formats := reference.Golden(t, "formats")
	formats, err := filepath.Abs(formats)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"net.prototxt", "solver.prototxt"} {
		data, err := os.ReadFile(filepath.Join(formats, "logs", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(formats, "idx_lmdb"), filepath.Join(dir, "idx_lmdb")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return filepath.Join(formats, "logs")
}

// lossValue matches what depends on the initial weights or on the clock.
var lossValue = regexp.MustCompile(`\([^ ]+ iter/s, [^ ]+s/|(loss|accuracy) = [^ )]+|\(\* 1 = [^ ]+ loss`)

func masked(line string) string { return lossValue.ReplaceAllString(line, "$1") }

// otherLine matches the lines that are not compared: those of the program and of
// the threads that read ahead, whose place is an accident.
var otherLine = regexp.MustCompile(`^(caffe\.cpp:|data_layer\.cpp:73\]|blocking_queue\.cpp:)`)

// caffeLines returns the other lines of a log of Caffe, without date and
// thread.
func caffeLines(t *testing.T, path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	prefix := regexp.MustCompile(`^[IWEF]\d{4} \S+ +\d+ `)
	var list []string
	for line := range strings.Lines(string(data)) {
		line = prefix.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		if !otherLine.MatchString(line) {
			list = append(list, line)
		}
	}
	return list
}

// TestCaffeLog trains as Caffe did for formats/logs/train.log and compares the
// whole log, the description of the nets too, line by line. Losses and times
// are masked, for the initial weights are other ones; learning rates are not.
func TestCaffeLog(t *testing.T) {
	logs := enterLogs(t)
	var got []string
	log := func(_ event.Level, source, text string) {
		for line := range strings.Lines(source + "] " + text) {
			if !otherLine.MatchString(line) {
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := solver.New(file, solver.Options{Observer: caffelog.New(log), Stages: []string{""}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Solve(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := caffeLines(t, filepath.Join(logs, "train.log"))
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if masked(g) != masked(w) {
			t.Fatalf("line %d of the log is\n%s\nwant\n%s", i+1, g, w)
		}
	}
	if len(want) < 300 {
		t.Errorf("only %d lines were compared", len(want))
	}
}

// TestCaffeLogContinued continues from the snapshot that Caffe made at the end
// of formats/logs/resume.log and compares the last results of that log. That
// run had read 60 batches of training data, this is where the 100 iterations
// from 40 to 100 and the batches had come to; its test set is one round of
// four batches.
func TestCaffeLogContinued(t *testing.T) {
	logs := enterLogs(t)
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	var result solver.TestResult
	s, err := solver.New(file, solver.Options{
		Stages: []string{""},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.TestResult); ok {
				result = *e
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Restore(filepath.Join(logs, "small_iter_100.solverstate")); err != nil {
		t.Fatal(err)
	}
	if s.Iter() != 100 || s.Net().Pass() != 100 {
		t.Errorf("at iteration %d and pass %d, want 100", s.Iter(), s.Net().Pass())
	}
	s.Net().SetPass(60)
	loss, err := s.Net().Forward(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.TestAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(logs, "resume.log"))
	if err != nil {
		t.Fatal(err)
	}
	last := func(pattern string) float64 {
		all := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(all) == 0 {
			t.Fatalf("resume.log has no line like %s", pattern)
		}
		v, err := strconv.ParseFloat(all[len(all)-1][1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		name      string
		got       float32
		want, tol float64
	}{
		// Losses this small are differences of numbers near 1, so that their
		// steps are 6e-8 for one image.
		{"train loss", loss, last(`Iteration 100, loss = (\S+)`), 2e-8},
		{"test accuracy", result.Outputs[0].Value, last(`Test net output #0: accuracy = (\S+)`), 0},
		{"test loss", result.Outputs[1].Value, last(`Test net output #1: loss = (\S+)`), 2e-8},
	} {
		if !(math.Abs(float64(tt.got)-tt.want) <= tt.tol) {
			t.Errorf("%s: got %g, want %g", tt.name, tt.got, tt.want)
		}
	}
}

// TestCaffeLogLines checks the lines that are not in Caffe's example. The
// wanted texts and places are those of solver.cpp and sgd_solver.cpp at commit
// 9b89154.
func TestCaffeLogLines(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		event any
		want  string
	}{
		{&solver.LoadingWeights{Path: "a.caffemodel"}, "solver.cpp:72] Finetuning from a.caffemodel"},
		{&solver.CreatingNet{Field: "train_net_param"}, "solver.cpp:88] Creating training net specified in train_net_param."},
		{&solver.CreatingNet{Field: "train_net", File: "t.prototxt"}, "solver.cpp:92] Creating training net from train_net file: t.prototxt"},
		{&solver.CreatingNet{Field: "net_param"}, "solver.cpp:98] Creating training net specified in net_param."},
		{&solver.CreatingNet{Test: true, Index: 2, Field: "test_net_param"}, "solver.cpp:190] Creating test net (#2) specified by test_net_param"},
		{&solver.CreatingNet{Test: true, Index: 1, Field: "test_net", File: "t.prototxt"}, "solver.cpp:190] Creating test net (#1) specified by test_net file: t.prototxt"},
		{&solver.Restored{Path: "s", Iter: 3}, "sgd_solver.cpp:336] SGDSolver: restoring history"},
		{&solver.Iteration{Iter: 7, LR: 0.1, MultiStep: 2}, "sgd_solver.cpp:50] MultiStep Status: Iteration 7, step = 2"},
		{&solver.Iteration{Iter: 7, LR: 0.1}, ""},
		{&solver.Clipped{Iter: 7, Norm: 12.5, Max: 10, Scale: 0.8}, "sgd_solver.cpp:99] Gradient clipping: scaling down gradients (L2 norm 12.5 > 10) by scale factor 0.8"},
		{&solver.TestInterrupted{}, "solver.cpp:396] Test interrupted."},
		{&solver.TestResult{Loss: 0.25, HasLoss: true, Outputs: []solver.Output{{Name: "acc", Value: 0.5}, {Name: "l", Value: 0.1, LossWeight: 0.3}}},
			"solver.cpp:401] Test loss: 0.25\nsolver.cpp:414]     Test net output #0: acc = 0.5\nsolver.cpp:414]     Test net output #1: l = 0.1 (* 0.3 = 0.03 loss)"},
		{&solver.FinalLoss{Iter: 9, SmoothedLoss: nan}, "solver.cpp:327] Iteration 9, loss = nan"},
		{&solver.Finished{Early: true}, "solver.cpp:311] Optimization stopped early."},
		{&solver.TestBatch{}, ""},
	} {
		var got []string
		caffelog.New(func(level event.Level, source, text string) {
			if level != event.Info {
				t.Errorf("%T: level %c", tt.event, level)
			}
			got = append(got, source+"] "+text)
		}).Observe(tt.event)
		if g := strings.Join(got, "\n"); g != tt.want {
			t.Errorf("%+v\ngot  %s\nwant %s", tt.event, g, tt.want)
		}
	}
}
