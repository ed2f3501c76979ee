package solver_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// line is a net that fits y = w x to two points. Its loss is E = 1/4 Σ (w xₙ - yₙ)².
const line = `
  name: "line"
  layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 1 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
    inner_product_param { num_output: 1 bias_term: false weight_filler { type: "constant" value: 1 } } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }
`

// linePoints fills the inputs of line with the points (1,2) and (2,4), so that
// w = 2 fits.
func linePoints(n *net.Net, pass int64) error {
	copy(n.Blob("data").MutableData(), []float32{1, 2})
	copy(n.Blob("label").MutableData(), []float32{2, 4})
	return nil
}

// parse reads a solver with "$prefix" replaced by a path in a folder of the
// test.
func parse(t testing.TB, text string) *prototxt.Solver {
	t.Helper()
	text = strings.ReplaceAll(text, "$prefix", filepath.Join(t.TempDir(), "snap"))
	file, err := prototxt.ParseSolver("solver.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func newSolver(t testing.TB, text string, opts solver.Options) *solver.Solver {
	t.Helper()
	if opts.BeforeForward == nil {
		opts.BeforeForward = linePoints
	}
	s, err := solver.New(parse(t, text), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func weight(s *solver.Solver) float32 { return s.Net().Params()[0].Blob.Data()[0] }

// TestErrors gives one wrong line at a time. It is line 3 of the file.
func TestErrors(t *testing.T) {
	const good = `lr_policy: "fixed"` + "\nbase_lr: 0.1\n"
	const netParam = "\nnet_param {" + line + "}\n"
	for _, tt := range []struct{ text, want string }{
		{good + `type: "SDG"` + netParam, `solver.prototxt:3:7: unknown solver type "SDG", did you mean "SGD"?`},
		{good + `type: "Lion"` + netParam, `solver.prototxt:3:7: unknown solver type "Lion", want one of AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD`},
		{good + `momentum: 0.9 type: "AdaGrad"` + netParam, `solver.prototxt:3:11: momentum is 0.9, AdaGrad does not support momentum`},
		{good + `momentum: 0.9 type: "RMSProp"` + netParam, `solver.prototxt:3:11: momentum is 0.9, RMSProp does not support momentum`},
		{good + `rms_decay: 1 type: "RMSProp"` + netParam, `solver.prototxt:3:12: rms_decay is 1, want at least 0 and less than 1`},
		{good + `rms_decay: nan type: "RMSProp"` + netParam, `solver.prototxt:3:12: rms_decay is NaN, want at least 0 and less than 1`},
		{good + `regularization_type: "L3"` + netParam, `solver.prototxt:3:22: unknown regularization_type "L3", did you mean`},
		{"\n\n" + `lr_policy: "multi_step"` + netParam, `solver.prototxt:3:12: unknown lr_policy "multi_step", did you mean "multistep"?`},
		{"\n\n" + `base_lr: 1` + netParam, `solver.prototxt:1:1: lr_policy is not set, want one of fixed, step, exp, inv, multistep, poly, sigmoid`},
		{"\n\n" + `gamma: -1 lr_policy: "exp"` + netParam, `solver.prototxt:3:8: gamma is -1, lr_policy "exp" wants 0 or more`},
		{"\n\n" + `gamma: -1 lr_policy: "sigmoid" stepsize: 1` + netParam, `solver.prototxt:3:8: gamma is -1, lr_policy "sigmoid" wants 0 or more`},
		{"\n\n" + `stepsize: 0 lr_policy: "step" gamma: 1` + netParam, `solver.prototxt:3:11: stepsize is 0, lr_policy "step" wants 1 or more`},
		{good + `average_loss: 0` + netParam, `solver.prototxt:3:15: average_loss is 0, want 1 or more`},
		{good + `iter_size: 0` + netParam, `solver.prototxt:3:12: iter_size is 0, want 1 or more`},
		{good + `max_iter: -5` + netParam, `solver.prototxt:3:11: max_iter is -5, want 0 or more`},
		{good + `snapshot_format: HDF5` + netParam, `solver.prototxt:3:18: snapshot_format HDF5 is not supported yet, want BINARYPROTO`},
		{good + `snapshot_prefix: "/nowhere/at/all/snap" snapshot: 1` + netParam,
			`solver.prototxt:3:18: cannot write to snapshot_prefix "/nowhere/at/all/snap": no such file or directory`},
		{good + `snapshot: 1` + netParam, `snapshot_prefix is not set`},
		{good, `solver.prototxt:1:1: no train net: one of net, net_param, train_net, train_net_param must be set`},
		{good + `net: "absent.prototxt"`, `solver.prototxt:3:6: net: "absent.prototxt": no such file (working directory `},
		{good + `net: "absent.prototxt"` + netParam, `net_param and net both describe a train net`},
		{good + `test_iter: 1` + netParam, `test_interval is 0, want 1 or more because there are test nets`},
		{good + `test_net: "absent.prototxt"` + netParam, `test_iter has 0 values for 1 test nets, want one each`},
		{good + `test_iter: 1 test_interval: 1 test_state { stage: "a" } test_state { stage: "b" }` + netParam,
			`solver.prototxt:3:31: test_state has 2 values for 1 test nets, want none or one each`},
		{good + `test_iter: -1 test_interval: 1` + netParam, `solver.prototxt:3:12: test_iter is -1, want 0 or more`},
		{good + `weights: "absent.caffemodel"` + netParam, `solver.prototxt:3:10: weights: "absent.caffemodel": no such file (working directory `},
	} {
		_, err := solver.New(parse(t, tt.text), solver.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngot error:  %v\nwant one line with: %s", tt.text[:strings.Index(tt.text+"\nnet_param", "\nnet_param")], err, tt.want)
		}
	}
}

// TestAllErrors checks that independent errors are reported together, by
// place.
func TestAllErrors(t *testing.T) {
	_, err := solver.New(parse(t, "iter_size: 0\nlr_policy: \"fix\"\naverage_loss: 0\n"), solver.Options{})
	var list prototxt.ErrorList
	if !errors.As(err, &list) || len(list) != 3 {
		t.Fatalf("got %v, want a list of three errors", err)
	}
	for i, e := range list {
		if e.Pos.Line != i+1 {
			t.Errorf("error %d is that of line %d", i, e.Pos.Line)
		}
	}
}

// trace writes down events in short form.
type trace struct{ events []string }

func (tr *trace) Observe(event any) {
	var text string
	switch e := event.(type) {
	case *solver.CreatingNet:
		text = fmt.Sprintf("net %s%s", map[bool]string{true: "test "}[e.Test], e.Field)
	case *solver.SolveStart:
		text = fmt.Sprintf("solve %s %s %d-%d", e.Net, e.Policy, e.Iter, e.MaxIter)
	case *solver.StepStart:
		text = fmt.Sprintf("step %d-%d", e.Iter, e.Stop)
	case *solver.Iteration:
		text = fmt.Sprintf("%d", e.Iter)
		if e.Display {
			text += " shown"
		}
	case *solver.TestStart:
		text = fmt.Sprintf("test#%d@%d x%d", e.Net, e.Iter, e.Batches)
	case *solver.TestResult:
		text = fmt.Sprintf("result#%d", e.Net)
	case *solver.TestInterrupted:
		text = fmt.Sprintf("interrupted#%d", e.Net)
	case *solver.Snapshotted:
		text = fmt.Sprintf("snapshot %s", strings.TrimPrefix(filepath.Base(e.State), "snap_iter_"))
	case *solver.FinalLoss:
		text = "final"
	case *solver.Finished:
		text = fmt.Sprintf("finished %d early=%v", e.Iter, e.Early)
	default:
		return
	}
	tr.events = append(tr.events, text)
}

// TestSchedule checks when Solve tests, shows, makes snapshots and stops. The
// wanted order is that of Solver::Solve, Step and TestAll in solver.cpp.
func TestSchedule(t *testing.T) {
	const base = "base_lr: 0.01 lr_policy: \"fixed\" snapshot_prefix: \"$prefix\" net_param {" + line + "}\n"
	for _, tt := range []struct {
		name, text string
		actions    map[int]solver.Action // by the number of the poll
		want       string
	}{
		{"plain", `max_iter: 3`, nil,
			"net net_param; solve line fixed 0-3; step 0-3; 0; 1; 2; snapshot 3.solverstate; finished 3 early=false"},
		{"display", `max_iter: 4 display: 2 snapshot_after_train: false`, nil,
			"net net_param; solve line fixed 0-4; step 0-4; 0 shown; 1; 2 shown; 3; final; finished 4 early=false"},
		{"snapshots", `max_iter: 4 snapshot: 2`, nil,
			"net net_param; solve line fixed 0-4; step 0-4; 0; 1; snapshot 2.solverstate; 2; 3; snapshot 4.solverstate; finished 4 early=false"},
		{"snapshot after train", `max_iter: 3 snapshot: 2`, nil,
			"net net_param; solve line fixed 0-3; step 0-3; 0; 1; snapshot 2.solverstate; 2; snapshot 3.solverstate; finished 3 early=false"},
		{"tests", `max_iter: 2 test_iter: 3 test_interval: 2 snapshot_after_train: false`, nil,
			"net net_param; net test net_param; solve line fixed 0-2; step 0-2; test#0@0 x3; result#0; 0; 1; test#0@2 x3; result#0; finished 2 early=false"},
		{"no test at first", `max_iter: 3 test_iter: 1 test_interval: 2 test_initialization: false snapshot_after_train: false`, nil,
			"net net_param; net test net_param; solve line fixed 0-3; step 0-3; 0; 1; test#0@2 x1; result#0; 2; finished 3 early=false"},
		{"order of test nets", `max_iter: 0 snapshot_after_train: false test_interval: 1 test_iter: 1 test_iter: 2 test_iter: 3 test_iter: 4
			test_net_param {` + line + `} test_net_param {` + line + `}`, nil,
			"net net_param; net test test_net_param; net test test_net_param; net test net_param; net test net_param; solve line fixed 0-0; step 0-0; " +
				"test#0@0 x1; result#0; test#1@0 x2; result#1; test#2@0 x3; result#2; test#3@0 x4; result#3; finished 0 early=false"},
		{"stop", `max_iter: 9`, map[int]solver.Action{1: solver.Stop},
			"net net_param; solve line fixed 0-9; step 0-9; 0; 1; snapshot 2.solverstate; finished 2 early=true"},
		{"stop at a snapshot", `max_iter: 9 snapshot: 2 display: 1`, map[int]solver.Action{1: solver.Stop},
			"net net_param; solve line fixed 0-9; step 0-9; 0 shown; 1 shown; snapshot 2.solverstate; finished 2 early=true"},
		{"snapshot on request", `max_iter: 3 snapshot_after_train: false`, map[int]solver.Action{0: solver.Snapshot},
			"net net_param; solve line fixed 0-3; step 0-3; 0; snapshot 1.solverstate; 1; 2; finished 3 early=false"},
		{"stop in a test", `max_iter: 9 test_iter: 5 test_iter: 5 test_interval: 1`, map[int]solver.Action{2: solver.Snapshot, 4: solver.Stop},
			"net net_param; net test net_param; net test net_param; solve line fixed 0-9; step 0-9; test#0@0 x5; snapshot 0.solverstate; " +
				"interrupted#0; snapshot 0.solverstate; finished 0 early=true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			polls := -1
			tr := new(trace)
			s := newSolver(t, base+tt.text, solver.Options{
				Observer: tr,
				Action: func() solver.Action {
					polls++
					return tt.actions[polls]
				},
			})
			if err := s.Solve(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(tr.events, "; "); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if want := strings.HasSuffix(tt.want, "early=true"); s.Stopped() != want {
				t.Errorf("Stopped is %v", s.Stopped())
			}
		})
	}
}

// TestClosedForm checks gradient descent on a line against w ← w - lr·5/2·(w-2).
func TestClosedForm(t *testing.T) {
	s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{})
	want := 1.0
	for range 10 {
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		want -= 0.1 * 2.5 * (want - 2)
		if got := float64(weight(s)); !(math.Abs(got-want) < 1e-6) {
			t.Fatalf("after %d iterations w is %v, want %v", s.Iter(), got, want)
		}
	}
}

// TestSmoothedLossAfterLargeOne: a first loss of 5e9 leaves nothing behind in
// the losses shown later, which fall to 0.
func TestSmoothedLossAfterLargeOne(t *testing.T) {
	const steep = `
		layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 1 dim: 1 } data_filler { value: 1 } data_filler { value: 2 } } }
		layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 1 bias_term: false weight_filler { value: 100000 } } }
		layer { name: "l" type: "EuclideanLoss" bottom: "f" bottom: "y" top: "l" }`
	for _, average := range []int{1, 2} {
		var last solver.Iteration
		s := newSolver(t, fmt.Sprintf(`base_lr: 0.99999 lr_policy: "fixed" average_loss: %d net_param {%s}`, average, steep), solver.Options{
			BeforeForward: func(*net.Net, int64) error { return nil },
			Observer: event.Func(func(e any) {
				if e, ok := e.(*solver.Iteration); ok {
					if e.Iter == 0 && e.Loss < 1e9 {
						t.Errorf("the first loss is %v, want a large one", e.Loss)
					}
					last = *e
				}
			}),
		})
		if err := s.Step(context.Background(), 6); err != nil {
			t.Fatal(err)
		}
		if last.Loss != 0 || last.SmoothedLoss != 0 {
			t.Errorf("average_loss %d: loss %v, shown as %v, want 0", average, last.Loss, last.SmoothedLoss)
		}
	}
}

// TestSmoothedLossRestarts checks that each Step averages anew.
func TestSmoothedLossRestarts(t *testing.T) {
	var got []solver.Iteration
	s := newSolver(t, `base_lr: 0.1 average_loss: 3 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				got = append(got, *e)
			}
		}),
	})
	for _, n := range []int{5, 2} {
		got = nil
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		for i, e := range got {
			var mean float64
			first := max(i-2, 0)
			for _, o := range got[first : i+1] {
				mean += float64(o.Loss) / float64(i+1-first)
			}
			if !(math.Abs(float64(e.SmoothedLoss)-mean) < 1e-6) {
				t.Errorf("iteration %d of %d: smoothed loss %v, want %v", i, n, e.SmoothedLoss, mean)
			}
		}
		if len(got) != n || got[0].Loss <= 0 || got[0].Loss == got[1].Loss {
			t.Errorf("the losses are %v, want %d that fall", got, n)
		}
	}
}

// TestCanceled checks that a context ends training between iterations.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" max_iter: 100 snapshot_prefix: "$prefix" net_param {`+line+`}`, solver.Options{
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Snapshotted); ok {
				t.Errorf("a snapshot was made: %v", e)
			}
		}),
		BeforeForward: func(n *net.Net, pass int64) error {
			if pass == 5 {
				cancel()
			}
			return linePoints(n, pass)
		},
	})
	if err := s.Solve(ctx); !errors.Is(err, context.Canceled) || s.Iter() != 5 {
		t.Errorf("Solve returned %v at iteration %d, want Canceled at 5", err, s.Iter())
	}
}

// TestLevelAndStages checks the precedence of states: the net's own is weaker
// than train_state, to which level and stages are added.
func TestLevelAndStages(t *testing.T) {
	layer := func(name, rule string) string {
		return fmt.Sprintf(`layer { name: %q type: "Input" top: %q input_param { shape { dim: 1 } } include { %s } }`, name, name, rule)
	}
	text := `base_lr: 0 lr_policy: "fixed" train_state { stage: "file" } test_iter: 1 test_interval: 1 test_state { stage: "test" } net_param {` + line +
		`state { level: 1 stage: "net" }` + layer("in_net", `stage: "net"`) + layer("in_file", `stage: "file"`) + layer("in_flag", `stage: "flag"`) +
		layer("level_1", `min_level: 1 max_level: 1`) + layer("level_2", `min_level: 2`) + layer("in_test", `phase: TEST stage: "test"`) + `}`
	for _, tt := range []struct {
		opts  solver.Options
		train string
	}{
		{solver.Options{}, "in_net in_file level_1"},
		{solver.Options{Stages: []string{"flag"}}, "in_net in_file in_flag"},
		{solver.Options{Level: 2}, "in_net in_file level_2"},
	} {
		s := newSolver(t, text, tt.opts)
		if got := extraLayers(s.Net()); got != tt.train {
			t.Errorf("%+v: the train net has %q, want %q", tt.opts, got, tt.train)
		}
		if got, want := extraLayers(s.TestNets()[0]), "in_net level_1 in_test"; got != want {
			t.Errorf("%+v: the test net has %q, want %q", tt.opts, got, want)
		}
	}
}

func extraLayers(n *net.Net) string {
	var names []string
	for _, l := range n.Layers() {
		if strings.HasPrefix(l.Name, "in_") || strings.HasPrefix(l.Name, "level_") {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestWeights loads two files given in one value and one given in another, the
// later over the earlier, into both nets.
func TestWeights(t *testing.T) {
	const text = `base_lr: 0 lr_policy: "fixed" net_param {` + line + `}`
	dir := t.TempDir()
	var paths []string
	for i := range 3 {
		s := newSolver(t, text, solver.Options{})
		s.Net().Params()[0].Blob.MutableData()[0] = float32(10 + i)
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%d.caffemodel", i)))
		if err := s.Net().SaveWeights(paths[i], false); err != nil {
			t.Fatal(err)
		}
	}
	var loaded []string
	s := newSolver(t, text+fmt.Sprintf(`test_iter: 1 test_interval: 1 weights: "%s, %s" weights: "%s"`, paths[0], paths[1], paths[2]), solver.Options{
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.LoadingWeights); ok {
				loaded = append(loaded, e.Path)
			}
		}),
	})
	if want := append(slices.Clone(paths), paths...); !slices.Equal(loaded, want) {
		t.Errorf("loaded %v, want %v", loaded, want)
	}
	for _, n := range []*net.Net{s.Net(), s.TestNets()[0]} {
		if got := n.Params()[0].Blob.Data()[0]; got != 12 {
			t.Errorf("phase %v: the weight is %v, want 12", n.Phase(), got)
		}
	}
}

// TestTestUsesTrainedWeights checks means, test_compute_loss, and that tests
// follow the train net.
func TestTestUsesTrainedWeights(t *testing.T) {
	var results []solver.TestResult
	s := newSolver(t, `base_lr: 0.4 lr_policy: "fixed" test_iter: 3 test_interval: 1 test_compute_loss: true net_param {`+line+`}`, solver.Options{
		BeforeForward: func(n *net.Net, pass int64) error {
			if err := linePoints(n, pass); err != nil || n.Phase() == 0 {
				return err
			}
			n.Blob("label").MutableData()[0] = float32(pass) // 0 1 2 in the first test, 3 4 5 in the second
			return nil
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.TestResult); ok {
				r := *e
				r.Outputs = slices.Clone(e.Outputs)
				results = append(results, r)
			}
		}),
	})
	if err := s.Step(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	// w is 1, then 2: 0.4·5/2 = 1 takes it to the minimum at once.
	for i, want := range []float64{
		((1 + 0 + 1) + 3*4) / 4. / 3,
		((1 + 4 + 9) + 3*0) / 4. / 3,
	} {
		r := results[i]
		if len(r.Outputs) != 1 || r.Outputs[0].Name != "loss" || r.Outputs[0].LossWeight != 1 || !r.HasLoss ||
			!(math.Abs(float64(r.Outputs[0].Value)-want) < 1e-6) || !(math.Abs(float64(r.Loss)-want) < 1e-6) {
			t.Errorf("test %d: %+v, want loss %v", i, r, want)
		}
	}
}

// TestSeed checks that random_seed decides about the weights, and that one is
// made up and told if there is none.
func TestSeed(t *testing.T) {
	text := func(seed string) string {
		return `base_lr: 0 lr_policy: "fixed" ` + seed + ` net_param {` + strings.Replace(line, `"constant" value: 1`, `"gaussian" std: 1`, 1) + `}`
	}
	var seeds []int64
	opts := solver.Options{Observer: event.Func(func(e any) {
		if e, ok := e.(*solver.Seeded); ok {
			seeds = append(seeds, e.Seed)
		}
	})}
	a, b, c := weight(newSolver(t, text("random_seed: 1"), opts)), weight(newSolver(t, text("random_seed: 1"), opts)), weight(newSolver(t, text("random_seed: 2"), opts))
	if a != b || a == c {
		t.Errorf("seeds 1, 1 and 2 give %v, %v and %v", a, b, c)
	}
	if len(seeds) != 0 {
		t.Errorf("seeds %v were made up", seeds)
	}
	d := weight(newSolver(t, text(""), opts))
	e := weight(newSolver(t, text("random_seed: -7"), opts))
	if len(seeds) != 2 || seeds[0] == seeds[1] || d == e {
		t.Fatalf("the made up seeds are %v, the weights %v and %v", seeds, d, e)
	}
	if again := weight(newSolver(t, text(fmt.Sprintf("random_seed: %d", seeds[0])), opts)); again != d {
		t.Errorf("the made up seed %d gives %v when it is set, and gave %v", seeds[0], again, d)
	}
}

// TestDiverged checks that the first loss that is not finite is reported once,
// with the place, and that training goes on.
func TestDiverged(t *testing.T) {
	for _, tt := range []struct {
		name          string
		poison        func(n *net.Net, pass int64)
		iter          int
		layer, blob   string
		param         int
		lr, firstLine string
	}{
		{"blob", func(n *net.Net, pass int64) {
			if pass == 2 {
				n.Blob("label").MutableData()[1] = float32(math.NaN())
			}
		}, 2, "data", "label", 0, "0.1", `Training has diverged: the loss is nan at iteration 2; the first non-finite number is in blob "label" of layer "data".`},
		{"weights", func(*net.Net, int64) {}, 1, "ip", "", 0, "3e38", // the update of w is 7.5e38
			`at iteration 1; the first non-finite number is in weights 0 of layer "ip".`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var events []solver.Diverged
			var log []string
			s := newSolver(t, `base_lr: `+tt.lr+` lr_policy: "fixed" net_param {`+line+`}`, solver.Options{
				BeforeForward: func(n *net.Net, pass int64) error {
					err := linePoints(n, pass)
					tt.poison(n, pass)
					return err
				},
				Observer: event.Multi(
					event.Func(func(e any) {
						if e, ok := e.(*solver.Diverged); ok {
							events = append(events, *e)
						}
					}),
					caffelog.New(func(level event.Level, source, text string) {
						if level == event.Warning {
							log = append(log, text)
						}
					}),
				),
			})
			if err := s.Step(context.Background(), 6); err != nil {
				t.Fatal(err)
			}
			if len(events) != 1 || s.Iter() != 6 {
				t.Fatalf("%d events after %d iterations, want 1 after 6", len(events), s.Iter())
			}
			e := events[0]
			if e.Layer != tt.layer || e.Blob != tt.blob || e.Param != tt.param || e.Iter != tt.iter {
				t.Errorf("got %+v, want iteration %d, layer %q, blob %q, param %d", e, tt.iter, tt.layer, tt.blob, tt.param)
			}
			if len(log) != 1 || !strings.Contains(log[0], tt.firstLine) {
				t.Errorf("the log has %q, want one line with %q", log, tt.firstLine)
			}
		})
	}
}

// TestSaturated checks the hint at a loss of 87.3365.
func TestSaturated(t *testing.T) {
	var events []solver.Saturated
	s := newSolver(t, `base_lr: 0 lr_policy: "fixed" net_param {
		layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
		layer { name: "loss" type: "SoftmaxWithLoss" bottom: "data" bottom: "label" top: "loss" } }`, solver.Options{
		BeforeForward: func(n *net.Net, pass int64) error {
			copy(n.Blob("data").MutableData(), []float32{0, 0, 1000, 0, 0, 1000})
			if pass < 1 {
				n.Blob("data").MutableData()[2] = 0
			}
			return nil
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Saturated); ok {
				events = append(events, *e)
			}
		}),
	})
	if err := s.Step(context.Background(), 3); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Iter != 1 || !strings.Contains(events[0].String(), "87.3365") {
		t.Errorf("got %v, want one event at iteration 1", events)
	}
}

// TestStepAllocatesNothing runs each rule on a net with all that happens in an
// iteration, but for observers.
func TestStepAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED with -race, which allocates; make test runs it without")
	}
	for _, typ := range []string{"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"} {
		s := newSolver(t, `base_lr: 0.001 lr_policy: "inv" gamma: 0.1 power: 0.75 iter_size: 2 average_loss: 3 clip_gradients: 0.01
			weight_decay: 0.1 display: 1 test_iter: 2 test_interval: 3 type: "`+typ+`" net_param {`+line+`}`, solver.Options{})
		ctx := context.Background()
		step := func() {
			if err := s.Step(ctx, 4); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if n := testing.AllocsPerRun(20, step); n > 0 {
			t.Errorf("%s: %v allocations in 4 iterations and a test", typ, n)
		}
	}
}

// TestSnapshotFails checks that a snapshot that cannot be written is reported
// with the name of the file, leaves nothing behind, and harms nothing.
func TestSnapshotFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var failed []error
	s := newSolver(t, `base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" snapshot: 2 snapshot_prefix: "`+dir+`/snap" net_param {`+line+`}`, solver.Options{
		Observer: event.Func(func(e any) {
			if f, ok := e.(*solver.SnapshotFailed); ok {
				failed = append(failed, f.Err)
			}
		}),
	})
	if names := listDir(t, dir); len(names) != 0 {
		t.Fatalf("the probe has left %v", names)
	}
	// A folder of the name of a file of the snapshot is in the way.
	for _, name := range []string{"snap_iter_2.caffemodel", "snap_iter_4.solverstate"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		failed = nil
		if err := s.Step(context.Background(), 2); err != nil {
			t.Fatal(err)
		}
		if len(failed) != 1 || !strings.Contains(failed[0].Error(), filepath.Join(dir, name)) {
			t.Errorf("got %v, want one error that names %s", failed, name)
		}
	}
	if got, want := listDir(t, dir), []string{"snap_iter_2.caffemodel", "snap_iter_4.caffemodel", "snap_iter_4.solverstate"}; !slices.Equal(got, want) {
		t.Errorf("the folder has %v, want %v", got, want)
	}
	if err := s.Step(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	plain := newSolver(t, `base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{})
	if err := plain.Step(context.Background(), 6); err != nil {
		t.Fatal(err)
	}
	if weight(s) != weight(plain) {
		t.Errorf("after failed snapshots w is %v, want %v", weight(s), weight(plain))
	}
	missing := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot_prefix: "`+dir+`/none/snap" net_param {`+line+`}`, solver.Options{})
	if err := missing.Solve(context.Background()); err == nil || !strings.Contains(err.Error(), "snapshot_prefix") || missing.Iter() != 0 {
		t.Errorf("Solve returned %v at iteration %d, want an error about snapshot_prefix at 0", err, missing.Iter())
	}
}

func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
