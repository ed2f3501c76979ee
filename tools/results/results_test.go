package main

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/prototxt"
)

// TestFiles makes the nets and solvers of every table at every scale, and reads them.
func TestFiles(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range scales {
		p := &program{out: t.TempDir(), scale: s}
		p.data = filepath.Join(p.out, "data")
		for _, table := range tables {
			if !table.at(s) {
				continue
			}
			chosen := make(map[string]setting)
			var runs []run
			for _, l := range table.tuned {
				trials := p.trials(table.data, l)
				if n := len(trials); n != 5 && l.title != softmax.title {
					t.Errorf("%s has %d settings to choose from, want 5", l.title, n)
				}
				if len(trials) > 0 {
					chosen[l.title] = trials[len(trials)-1].setting
				}
				runs = append(runs, trials...)
			}
			for _, r := range table.rows(p, chosen) {
				runs = append(runs, r.seeded(1)...)
			}
			for _, r := range runs {
				dir, net, solver, err := p.dir(r)
				if err != nil {
					t.Fatalf("%s, %s: %v", s.name, table.name, err)
				}
				if seen[dir] {
					continue
				}
				seen[dir] = true
				if _, err := prototxt.ParseNet("net.prototxt", []byte(net)); err != nil {
					t.Errorf("%s: %v", r.title(), err)
				}
				if r.features > 0 && strings.Contains(net, "ip1_") {
					t.Errorf("%s: there is a layer between the features and the classifier", r.title())
				}
				if _, err := prototxt.ParseSolver("solver.prototxt", []byte(solver)); err != nil {
					t.Errorf("%s: %v", r.title(), err)
				}
			}
		}
	}
	if len(seen) < 800 {
		t.Errorf("%d different runs, want 800 at least", len(seen))
	}
}

// TestSchedule checks that a quarter of LiuNet has the paper's schedule in short.
func TestSchedule(t *testing.T) {
	s, err := scaleNamed("quarter")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{out: "out", data: "out/data", scale: s}
	r := p.base(datasetNamed("cifar10"), lossNamed("A-Softmax"), lossNamed("A-Softmax").candidates[0])
	r.seed, r.dropout, r.width = 7, 0.3, 96
	net, solver, err := p.files(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"base_lr: 0.0125\n", "stepvalue: 1200\nstepvalue: 2100\nmax_iter: 3000\n", "random_seed: 7\n", "net: \"net.prototxt\"\n",
	} {
		if !strings.Contains(solver, want) {
			t.Errorf("the solver lacks %q:\n%s", want, solver)
		}
	}
	for _, want := range []string{
		`source: "out/data/cifar10_train_lmdb" batch_size: 32`, "type: DOUBLE base: 1000 gamma: 1.12 power: 1 lambda_min: 5", "dropout_ratio: 0.3",
		"num_output: 24 kernel_size: 3", "num_output: 96 kernel_size: 3", "num_output: 64 bias_term: false",
	} {
		if !strings.Contains(net, want) {
			t.Errorf("the net lacks %q:\n%s", want, net)
		}
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 30)
	row := "| " + long + "|\n"
	got := string(wrap([]byte("# Title\n\nA line\nand another.\n" + row + "\n- " + long + "\n- short\n")))
	words := func(n int) string { return strings.TrimSuffix(strings.Repeat("word ", n), " ") }
	want := "# Title\n\nA line and another.\n" + row + "\n- " + words(23) + "\n  " + words(7) + "\n- short\n"
	if got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestDifference(t *testing.T) {
	mean, half := difference([]float64{3, 4, 5}, []float64{1, 3, 2})
	// The differences are 2, 1, 3; the quantile of 2 degrees of freedom is 4.302653.
	if mean != 2 || math.Abs(half-4.302653/math.Sqrt(3)) > 1e-5 {
		t.Errorf("difference %g ± %g, want 2 ± %g", mean, half, 4.302653/math.Sqrt(3))
	}
	for _, test := range []struct {
		mean, half float64
		want       string
	}{{2, 1, "better"}, {-2, 1, "worse"}, {2, 3, "cannot be told apart"}, {2, math.Inf(1), "cannot be told apart"}} {
		if got := verdict(test.mean, test.half); got != test.want {
			t.Errorf("%g ± %g: %q, want %q", test.mean, test.half, got, test.want)
		}
	}
}

// TestUnknownTimes has trainings whose time is unknown: they do not count as 0 s.
func TestUnknownTimes(t *testing.T) {
	times := func(seconds ...float64) (all []result) {
		for _, s := range seconds {
			all = append(all, result{Accuracy: 90, TrainSeconds: s, TestSeconds: 2, WeightBytes: 5})
		}
		return all
	}
	text, err := writeTimes(new(program), table{}, []measured{
		{row: row{label: "some"}, results: times(300, 0, 100)}, {row: row{label: "none"}, results: times(0, 0)},
	})
	if err != nil || !strings.Contains(text, "| some | 200 | 2.0 |") || !strings.Contains(text, "| none | unknown | 2.0 |") {
		t.Errorf("error %v, the table is\n%s", err, text)
	}
	if got, want := together(times(300, 100)), (result{TrainSeconds: 400, WeightBytes: 10}); got != want {
		t.Errorf("two nets: %+v, want %+v", got, want)
	}
	if got, want := together(times(300, 0)), (result{WeightBytes: 10}); got != want {
		t.Errorf("two nets, one of an unknown time: %+v, want %+v", got, want)
	}
}

// TestResults runs a figure on drawn digits, once in one piece and once with interruptions,
// and compares the results to the last digit.
func TestResults(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "gocaffe")
	build := exec.Command("go", "build", "-o", binary, "./cmd/gocaffe")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	page := func(out string) string { return filepath.Join(dir, out+".md") }
	args := func(out string) []string {
		return []string{"-gocaffe", binary, "-out", filepath.Join(dir, out), "-page", page(out), "-scale", "tiny", "-tables", "fig1-digits features-digits", "-jobs", "2"}
	}
	keep := []string{"-kept", filepath.Join(dir, "{scale}.json")}
	if err := start(t.Context(), append(args("whole"), keep...)); err != nil {
		t.Fatal(err)
	}
	interrupted := 0
	for delay := time.Second; ; delay += time.Second {
		ctx, cancel := context.WithTimeout(t.Context(), delay)
		err := start(ctx, args("parts"))
		cancel()
		if err == nil {
			break
		}
		if interrupted++; !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if interrupted == 0 {
		t.Error("nothing was interrupted")
	}
	results := func(out string) map[string]result {
		all := make(map[string]result)
		files, err := filepath.Glob(filepath.Join(dir, out, "tiny", "*", resultFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			res, err := readResult(f)
			if err != nil {
				t.Fatal(err)
			}
			res.TrainSeconds, res.TestSeconds = 0, 0
			all[filepath.Base(filepath.Dir(f))] = *res
		}
		return all
	}
	whole, parts := results("whole"), results("parts")
	if len(whole) != 5+2*2+2*2 || !reflect.DeepEqual(whole, parts) {
		t.Errorf("results in one piece and with %d interruptions:\n%v\n%v", interrupted, whole, parts)
	}
	text, err := os.ReadFile(page("parts"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "| 0.01 | ") || !strings.Contains(string(text), "13 trainings took") {
		t.Errorf("the page is\n%s", text)
	}
	// Another machine has the kept results alone.
	if err := start(t.Context(), append(args("elsewhere"), keep...)); err != nil {
		t.Fatal(err)
	}
	if again := results("elsewhere"); len(again) != 0 {
		t.Errorf("trained again in spite of the kept results: %v", again)
	}
	first, err := os.ReadFile(page("whole"))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(page("elsewhere")); err != nil || string(second) != string(first) {
		t.Errorf("the page of kept results, error %v:\n%s\nwant\n%s", err, second, first)
	}
	for _, name := range []string{"fig1-digits", "features-digits-softmax", "features-digits-em-softmax"} {
		if svg, err := os.ReadFile(filepath.Join(dir, "images", "tiny-"+name+".svg")); err != nil || !strings.Contains(string(svg), "</svg>") {
			t.Errorf("the figure %s: error %v", name, err)
		}
	}
}
