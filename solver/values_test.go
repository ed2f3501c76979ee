package solver_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/solver"
)

// TestUnusedNumbers has values that no solver of the type reads.
func TestUnusedNumbers(t *testing.T) {
	for _, text := range []string{"momentum2: 5", "delta: -1", "rms_decay: 2", `type: "AdaGrad" momentum2: 1`} {
		s, err := solver.New(parse(t, `lr_policy: "fixed" base_lr: 0 `+text+" net_param {"+line+"}"), solver.Options{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s.Close()
	}
}

// TestLint has files that are right, and probably not meant so. New sends
// the warnings that do not only concern Solve.
func TestLint(t *testing.T) {
	const policy = `max_iter: 1 base_lr: 0.1 gamma: 0.5 lr_policy: `
	for text, want := range map[string]string{
		policy + `"multistep"`:                           `solver.prototxt:1:48: lr_policy "multistep" has no stepvalue, so the learning rate stays base_lr`,
		policy + `"multistep" stepvalue: 1 stepvalue: 5`: "",
		policy + `"multistep" stepvalue: 5 stepvalue: 5`: "solver.prototxt:1:84: stepvalue 5 comes after 5, want ascending values",
		policy + `"fixed" stepvalue: 5`:                  `solver.prototxt:1:67: stepvalue has no effect with lr_policy "fixed", but with multistep`,
		policy + `"fixed" stagelr: 5 stageiter: 5`:       `solver.prototxt:1:65: stagelr has no effect with lr_policy "fixed", but with multifixed`,
		policy + `"fixed" test_interval: 5`:              "solver.prototxt:1:71: test_interval has no effect without test_iter, the number of batches of a test",
		`base_lr: 0.1 lr_policy: "fixed"`:                "solver.prototxt:1:1: max_iter is not set, so there is no iteration",
		policy + `"fixed"`:                               "",
	} {
		file := parse(t, text+" net_param {"+line+"}")
		got := solver.Lint(file).Error()
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
		var sent []string
		s, err := solver.New(file, solver.Options{Observer: event.Func(func(e any) {
			if n, ok := e.(*event.Note); ok && n.Level == event.Warning {
				sent = append(sent, n.Text)
			}
		})})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if strings.Contains(want, "max_iter") {
			want = ""
		}
		if strings.Join(sent, "\n") != want {
			t.Errorf("%s: New warns of %q, want %q", text, sent, want)
		}
	}
}

// TestReason has nets without layers for what a solver asks for.
func TestReason(t *testing.T) {
	const data = `layer { name: "d" type: "DummyData" top: "x" include { %s } dummy_data_param { shape { dim: 2 dim: 3 } } }
		layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 1 } }`
	dir := t.TempDir()
	net := func(include string) string {
		path := filepath.Join(dir, "net.prototxt")
		if err := os.WriteFile(path, []byte(strings.Replace(data, "%s", include, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := net("phase: TRAIN")
	const good = "base_lr: 1 lr_policy: 'fixed' max_iter: 1\n"
	for _, test := range []struct{ include, text, reason string }{
		{"phase: TRAIN", "test_interval: 1\ntest_iter: 3 net: '" + path + "'",
			"solver.prototxt:3:12: test_iter asks for test net #0, which is " + path + " in phase TEST: give the file layers for that, or remove test_iter and test_interval"},
		{"phase: TRAIN", "test_interval: 1 test_iter: 3 test_iter: 4 net: '" + path + "'\ntest_net: '" + path + "'",
			"solver.prototxt:3:11: test_net asks for test net #0, which is " + path + " in phase TEST: give the file layers for that, or remove test_iter and test_interval"},
		{"stage: 'a'", "test_interval: 1 test_iter: 3\ntrain_state { stage: 'a' } test_state { stage: 'b' } net: '" + path + "'",
			"solver.prototxt:2:29: test_iter asks for test net #0, which is " + path + " in phase TEST, with the level and the stages of test_state: give the file layers for that, or remove test_iter and test_interval"},
		{"min_level: 1", "net: '" + path + "'",
			"solver.prototxt:2:6: the train net is " + path + " in phase TRAIN, with the level and the stages of train_state and the command line"},
	} {
		net(test.include)
		file := parse(t, good+test.text)
		_, err := solver.New(file, solver.Options{})
		if err == nil || !strings.Contains(err.Error(), "is not part of this net") || !strings.HasSuffix(err.Error(), "\n"+test.reason) {
			t.Errorf("%s: got\n%v\nwant at the end\n%s", test.text, err, test.reason)
		}
		nets, err := solver.Nets(file, solver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, n := range nets {
			found = found || n.Reason.Error() == test.reason
		}
		if !found {
			t.Errorf("%s: no net of Nets has the reason %s", test.text, test.reason)
		}
	}
}

// TestBesideSolver names nets as if paths began at the solver.
func TestBesideSolver(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("models/nets", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"models/net.prototxt", "models/nets/net.prototxt"} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, there := range map[string]string{
		"net.prototxt": "models/net.prototxt", "nets/net.prototxt": "models/nets/net.prototxt", "examples/net.prototxt": "models/net.prototxt", "other.prototxt": "",
	} {
		file := parse(t, "base_lr: 1 lr_policy: 'fixed' max_iter: 1 net: '"+path+"'")
		file.File = "models/solver.prototxt"
		_, err := solver.New(file, solver.Options{})
		hint := `; there is "` + there + `" beside the solver, but paths begin at the working directory`
		if err == nil || !strings.Contains(err.Error(), `"`+path+`": no such file (working directory `) || strings.HasSuffix(err.Error(), hint) != (there != "") {
			t.Errorf("%s: %v, want the hint %s", path, err, hint)
		}
	}
}

// TestMultiFixed compares the learning rates with those of MobileNet-YOLO's
// sgd_solver.cpp: a stage's iteration is its last.
func TestMultiFixed(t *testing.T) {
	var got []float32
	s := newSolver(t, `max_iter: 7 lr_policy: "multifixed" stagelr: 0.1 stageiter: 0 stagelr: 0.25 stageiter: 3 stagelr: 0.5 stageiter: 5
		snapshot_after_train: false net_param {`+line+"}",
		solver.Options{Observer: event.Func(func(e any) {
			if i, ok := e.(*solver.Iteration); ok {
				got = append(got, i.LR)
			}
		})})
	if err := s.Solve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := []float32{0.1, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5}; !slices.Equal(got, want) {
		t.Errorf("learning rates %v, want %v", got, want)
	}
}
