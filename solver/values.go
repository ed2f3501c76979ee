package solver

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A number is a field of a solver's file with the values that make sense.
type number struct {
	field string
	value func(*caffepb.SolverParameter) float32
	below float32  // values are less than this, and at least 0; 0 for any finite value
	types []string // of solvers that read the field; nil for all
	hint  string
}

var inf = float32(math.Inf(1))

var numbers = []number{
	{"base_lr", (*caffepb.SolverParameter).GetBaseLr, inf, nil, "; a negative loss_weight maximizes a loss"},
	{"power", (*caffepb.SolverParameter).GetPower, 0, nil, ""},
	{"gamma", (*caffepb.SolverParameter).GetGamma, 0, nil, ""},
	{"weight_decay", (*caffepb.SolverParameter).GetWeightDecay, inf, nil, ""},
	{"clip_gradients", (*caffepb.SolverParameter).GetClipGradients, 0, nil, ""},
	{"momentum", (*caffepb.SolverParameter).GetMomentum, 1, []string{"SGD", "Nesterov", "AdaDelta", "Adam"}, ""},
	{"momentum2", (*caffepb.SolverParameter).GetMomentum2, 1, []string{"Adam"}, ""},
	{"rms_decay", (*caffepb.SolverParameter).GetRmsDecay, 1, []string{"RMSProp"}, ""},
	{"warmup_start_lr", (*caffepb.SolverParameter).GetWarmupStartLr, inf, nil, ""},
	{"rampup_lr", (*caffepb.SolverParameter).GetRampupLr, inf, nil, ""},
	{"min_lr", (*caffepb.SolverParameter).GetMinLr, inf, nil, ""},
	{"max_momentum", (*caffepb.SolverParameter).GetMaxMomentum, 1, nil, ""},
	{"momentum_power", (*caffepb.SolverParameter).GetMomentumPower, inf, nil, ""},
	{"larc_eta", (*caffepb.SolverParameter).GetLarcEta, inf, nil, ""},
	{"local_gw_ratio", (*caffepb.SolverParameter).GetLocalGwRatio, inf, nil, ""},
	{"delta", (*caffepb.SolverParameter).GetDelta, inf, []string{"AdaGrad", "RMSProp", "AdaDelta", "Adam"}, ""},
}

// checkNumbers returns the errors of numbers with which no training makes sense.
//
// Differs from Caffe, which takes all of them but rms_decay as they are.
func (s *Solver) checkNumbers() []error {
	var errs []error
	for _, n := range numbers {
		if n.types != nil && !slices.Contains(n.types, s.param.GetType()) {
			continue
		}
		v := n.value(s.param)
		switch {
		case v-v != 0:
			errs = append(errs, s.errorf(n.field, "%s is %v, want a finite number", n.field, v))
		case n.below == inf && v < 0:
			errs = append(errs, s.errorf(n.field, "%s is %v, want 0 or more%s", n.field, v, n.hint))
		case n.below == 1 && !(v >= 0 && v < 1):
			errs = append(errs, s.errorf(n.field, "%s is %v, want at least 0 and less than 1", n.field, v))
		}
	}
	if s.param.ClipGradients != nil && s.param.GetClipGradients() == 0 {
		errs = append(errs, s.errorf("clip_gradients", "clip_gradients is 0, which makes every gradient 0; a negative number turns it off"))
	}
	for i, step := range s.param.Stepvalue {
		if step < 0 {
			errs = append(errs, s.errorAt("stepvalue", i, fmt.Errorf("stepvalue is %d, want 0 or more", step)))
		}
	}
	return errs
}

// Lint returns warnings about what is allowed in a solver's file but rarely intended.
func Lint(file *prototxt.Solver) prototxt.ErrorList {
	s := newSolver(file, Options{})
	return append(s.lint(), s.lintSolve()...)
}

// lintSolve returns the warnings that concern Solve alone.
func (s *Solver) lintSolve() prototxt.ErrorList {
	if s.param.MaxIter != nil {
		return nil
	}
	return prototxt.ErrorList{s.errorAt("max_iter", 0, errors.New("max_iter is not set, so there is no iteration"))}
}

// lint returns the other warnings.
func (s *Solver) lint() prototxt.ErrorList {
	p := s.param
	var found prototxt.ErrorList
	warn := func(field string, index int, format string, args ...any) {
		found = append(found, s.errorAt(field, index, fmt.Errorf(format, args...)))
	}
	switch steps, policy := p.Stepvalue, p.GetLrPolicy(); {
	case policy == "multistep" && len(steps) == 0:
		warn("lr_policy", 0, `lr_policy "multistep" has no stepvalue, so the learning rate stays base_lr`)
	case policy == "multistep":
		for i := 1; i < len(steps); i++ {
			if steps[i] <= steps[i-1] {
				warn("stepvalue", i, "stepvalue %d comes after %d, want ascending values", steps[i], steps[i-1])
			}
		}
	case len(steps) > 0:
		warn("stepvalue", 0, "stepvalue has no effect with lr_policy %q, but with multistep", policy)
	}
	if policy := p.GetLrPolicy(); len(p.Stagelr) > 0 && policy != "multifixed" {
		warn("stagelr", 0, "stagelr has no effect with lr_policy %q, but with multifixed", policy)
	}
	if p.GetTestInterval() > 0 && len(p.TestIter) == 0 && len(p.TestNet) == 0 && len(p.TestNetParam) == 0 {
		warn("test_interval", 0, "test_interval has no effect without test_iter, the number of batches of a test")
	}
	return found
}

// warn sends warnings.
func (s *Solver) warn(found prototxt.ErrorList) {
	for _, e := range found {
		emit(s, event.Note{Level: event.Warning, Source: event.Caller(0), Text: e.Error()})
	}
}
