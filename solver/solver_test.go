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
