package solver_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// TestRatesOfForks compares the learning rates of the first iterations with the formulas
// of Intel's and NVIDIA's Caffe.
func TestRatesOfForks(t *testing.T) {
	for _, c := range []struct {
		text string
		want func(i float64) float64
	}{
		{`lr_policy: "fixed" warmup_iter: 4 warmup_start_lr: 0.01`, func(i float64) float64 { return 0.01 + (0.1-0.01)*min(i/4, 1) }},
		{`lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 6 warmup_iter: 4`, func(i float64) float64 {
			switch { // the first step is taken after the warmup
			case i < 4:
				return 0.1 * i / 4
			case i < 6:
				return 0.05
			}
			return 0.025
		}},
		{`lr_policy: "poly" power: 2 rampup_interval: 3 rampup_lr: 0.02`, func(i float64) float64 {
			if i < 3 {
				return 0.02 + (0.1-0.02)*(i/3)*(i/3)
			}
			return 0.1 * math.Pow(1-i/8, 2)
		}},
		{`lr_policy: "poly" power: 2 min_lr: 0.01`, func(i float64) float64 { return 0.01 + (0.1-0.01)*math.Pow(1-i/8, 2) }},
		{`lr_policy: "exp" gamma: 0.5 min_lr: 0.01`, func(i float64) float64 { return max(0.01, 0.1*math.Pow(0.5, i)) }},
	} {
		var got []float32
		s := newSolver(t, `base_lr: 0.1 max_iter: 8 net_param {`+line+`} `+c.text, solver.Options{Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				got = append(got, e.LR)
			}
		})})
		if err := s.Step(context.Background(), 8); err != nil {
			t.Fatal(err)
		}
		for i, rate := range got {
			if want := c.want(float64(i)); math.Abs(float64(rate)-want) > 1e-8 {
				t.Errorf("%s: the rate of iteration %d is %g, want %g", c.text, i, rate, want)
			}
		}
		if len(got) != 8 {
			t.Errorf("%d iterations", len(got))
		}
	}
}

// TestLocalRates trains the net of one weight and compares with the formulas in float64:
// its gradient is 5/2 (w - 2).
func TestLocalRates(t *testing.T) {
	const rate, decay = 0.1, 0.05
	for _, c := range []struct {
		text     string
		momentum func(i float64) float64
		local    func(momentum, w, g float64) float64
	}{
		{`momentum: 0.5 larc: true larc_eta: 0.2`, nil, func(m, w, g float64) float64 { return rate * (1 - m) * 0.2 * w / g }},
		{`momentum: 0.5 larc: true larc_eta: 0.2 larc_policy: "clip"`, nil, func(m, w, g float64) float64 { return min(rate, (1-m)*0.2*w/g) }},
		{`momentum: 0.5 local_lr_auto: true local_gw_ratio: 0.3`, nil, func(_, w, g float64) float64 { return rate * 0.3 * w / (g + decay*w) }},
		{`momentum: 0.5 local_lr_auto: true iter_size: 3 clip_gradients: 1`, nil, func(_, w, g float64) float64 { return rate * 0.001 * w / (g + decay*w) }},
		{`momentum: 0.2 max_momentum: 0.8 momentum_policy: "poly" momentum_power: 2`, func(i float64) float64 { return 0.2 + 0.6*math.Pow(i/10, 2) }, nil},
		{`momentum_policy: "opt"`, func(float64) float64 { return math.Pow(1-0.5*math.Sqrt(rate), 2) }, nil},
		{`momentum_policy: "opt" max_momentum: 0.4`, func(float64) float64 { return 0.4 }, nil},
	} {
		text := fmt.Sprintf(`base_lr: %g weight_decay: %g lr_policy: "fixed" max_iter: 10 net_param {%s} %s`, rate, decay, line, c.text)
		s := newSolver(t, text, solver.Options{})
		w, history := 1.0, 0.0
		for i := range 8 {
			if err := s.Step(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			g, momentum, local := 2.5*(w-2), 0.5, rate
			if strings.Contains(c.text, "clip_gradients") {
				g = max(g, -1./3) // clipped to 1 as a sum of three, then divided
			}
			if c.momentum != nil {
				momentum = c.momentum(float64(i))
			}
			if c.local != nil {
				local = c.local(momentum, math.Abs(w), math.Abs(g))
			}
			history = momentum*history + local*(g+decay*w)
			w -= history
			if got := float64(weight(s)); math.Abs(got-w) > 1e-5 {
				t.Fatalf("%s: after iteration %d the weight is %g, want %g", c.text, i, got, w)
			}
		}
	}
}

// TestLocalRatesDevice trains with the options of forks on a GPU and on the CPU.
func TestLocalRatesDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, text := range []string{
		`type: "SGD" momentum: 0.9 larc: true larc_eta: 0.1`,
		`type: "SGD" momentum: 0.9 larc: true larc_eta: 0.1 larc_policy: "clip" iter_size: 2 clip_gradients: 0.4`,
		`type: "SGD" momentum: 0.9 local_lr_auto: true local_gw_ratio: 0.1`,
		`type: "Nesterov" momentum: 0.2 momentum_policy: "poly" max_iter: 12`,
	} {
		weights, losses := trainSmall(t, text, d)
		wantWeights, wantLosses := trainSmall(t, text, nil)
		compareSmall(t, text+": weights", weights, wantWeights)
		compareSmall(t, text+": losses", losses, wantLosses)
	}
}

// TestLocalRatesResume resumes a run with all of the options and compares the weights bit
// by bit.
func TestLocalRatesResume(t *testing.T) {
	const text = `base_lr: 0.1 weight_decay: 0.05 momentum: 0.5 max_momentum: 0.7 momentum_policy: "poly" larc: true larc_eta: 0.2
		lr_policy: "poly" power: 2 min_lr: 0.01 warmup_iter: 6 max_iter: 12 snapshot: 4 snapshot_prefix: "$prefix" net_param {` + line + `}`
	file := parse(t, text)
	run := func(restore string, n int) float32 {
		s, err := solver.New(file, solver.Options{BeforeForward: linePoints})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if restore != "" {
			if err := s.Restore(restore); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		return weight(s)
	}
	want := run("", 11)
	if got := run(file.Param.GetSnapshotPrefix()+"_iter_4.solverstate", 7); got != want {
		t.Errorf("resumed, the weight is %v, want %v", got, want)
	}
}

func TestLocalRateErrors(t *testing.T) {
	for text, want := range map[string]string{
		`larc: true local_lr_auto: true`:           `larc and local_lr_auto are both set, want one of them`,
		`larc: true type: "Adam"`:                  `larc is for solvers of type SGD, this is one of type Adam`,
		`local_lr_auto: true type: "Nesterov"`:     `local_lr_auto is for solvers of type SGD, this is one of type Nesterov`,
		`larc_policy: "clap"`:                      `unknown larc_policy "clap", did you mean "clip"?`,
		`momentum_policy: "poly" type: "AdaDelta"`: `momentum_policy "poly" is for solvers of types SGD and Nesterov, this is one of type AdaDelta`,
		`momentum_policy: "x"`:                     `unknown momentum_policy "x", want one of fixed, poly, opt`,
		`warmup_start_lr: -1`:                      `warmup_start_lr is -1, want 0 or more`,
		`max_momentum: 1 momentum_policy: "poly"`:  `max_momentum is 1, want at least 0 and less than 1`,
		`larc: true larc_turbo: true`:              `unknown field "larc_turbo" of SolverParameter`,
	} {
		file, err := prototxt.ParseSolver("solver.prototxt", []byte(`base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`} `+text))
		if err == nil {
			_, err = solver.New(file, solver.Options{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
