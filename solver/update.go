package solver

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
)

// An updater turns the gradient of each param into what is to be subtracted from
// it, and subtracts that: ApplyUpdate of Caffe's sgd_solver.cpp, with the rate
// computed before. The order of clipping, dividing by iter_size and weight decay
// is Caffe's. scale is the rule's factor of the rate. If there is another
// iteration after this, the gradients may be cleared along the way, for it.
type updater interface {
	update(rate, scale float32, another bool) error
	reset() error // forgets what was recorded with the old histories
}

// update updates the weights, which ends the iteration.
func (s *Solver) update(rate float32, another bool) error {
	scale := float32(1)
	if s.rule.scale != nil {
		scale = s.rule.scale(s)
	}
	if err := s.updater.update(rate, scale, another); err != nil {
		return err
	}
	s.iter++
	return nil
}

// hostUpdater updates the weights on the CPU.
type hostUpdater struct{ s *Solver }

func (u hostUpdater) reset() error { return nil }

func (u hostUpdater) update(rate, scale float32, another bool) error {
	s := u.s
	clear := another && !s.param.GetSnapshotDiff()
	o := s.updateOptions()
	o.Clip, o.Clear = u.clip(), clear
	for i, p := range s.params {
		o.Param, o.Diff, o.History = p.Blob.MutableData(), p.Blob.MutableDiff(), s.history[i].MutableData()
		if s.rule.histories == 2 {
			o.History2 = s.history[len(s.params)+i].MutableData()
		}
		o.Decay, o.Rate = s.param.GetWeightDecay()*p.DecayMult, rate*p.LRMult*scale
		o.Run(s.opts.Workers)
	}
	if clear {
		s.net.ParamDiffsCleared()
	}
	return nil
}

// updateOptions returns what the updates of all params have in common.
func (s *Solver) updateOptions() kernel.Update {
	u := kernel.Update{
		Rule: s.rule.kernel, Clip: 1, Normalize: 1 / float32(s.param.GetIterSize()), L1: s.l1,
		Momentum: s.param.GetMomentum(), Momentum2: s.param.GetMomentum2(), Delta: s.param.GetDelta(),
	}
	if s.rule.kernel == kernel.RMSProp {
		u.Momentum = s.param.GetRmsDecay()
	}
	return u
}

// clip returns the factor by which the gradient is to be multiplied because its
// L2 norm over all params is above clip_gradients, or 1. A negative
// clip_gradients turns that off.
func (u hostUpdater) clip() float32 {
	s := u.s
	if s.param.GetClipGradients() < 0 {
		return 1
	}
	var sum float64
	for _, p := range s.params {
		sum += kernel.SumSq(s.opts.Workers, p.Blob.Diff())
	}
	return s.clipScale(sum)
}

// clipScale returns the factor for gradients whose squares have the given sum,
// and tells the observers if it is not 1.
func (s *Solver) clipScale(sum float64) float32 {
	limit := s.param.GetClipGradients()
	norm := float32(math.Sqrt(sum))
	if !(norm > limit) {
		return 1
	}
	scale := limit / norm
	emit(s, Clipped{Iter: s.iter, Norm: norm, Max: limit, Scale: scale})
	return scale
}

// A rule is what makes the six types of solver differ. The formulas are in
// package kernel.
type rule struct {
	// histories is the number of blobs that the rule keeps for a param. A
	// snapshot has those of all params one after the other: first the first
	// blobs of all params, then the second ones.
	histories int

	// noMomentum is set if the rule refuses one.
	noMomentum bool

	kernel kernel.Rule

	// scale returns by what the learning rate is multiplied; nil: 1.
	scale func(s *Solver) float32
}

// rules are the types of solver.
var rules = map[string]rule{
	"SGD":      {kernel: kernel.SGD, histories: 1},
	"Nesterov": {kernel: kernel.Nesterov, histories: 1},
	"AdaGrad":  {kernel: kernel.AdaGrad, histories: 1, noMomentum: true},
	"RMSProp":  {kernel: kernel.RMSProp, histories: 1, noMomentum: true},
	"AdaDelta": {kernel: kernel.AdaDelta, histories: 2},

	// As in adam_solver.cpp, the powers of the betas and the root are float64,
	// the correction itself float32.
	"Adam": {kernel: kernel.Adam, histories: 2, scale: func(s *Solver) float32 {
		t := float64(s.iter + 1)
		beta1, beta2 := float64(s.param.GetMomentum()), float64(s.param.GetMomentum2())
		return float32(math.Sqrt(1-math.Pow(beta2, t)) / (1 - math.Pow(beta1, t)))
	}},
}

// checkRule finds the rule of the solver's type and checks the fields that it
// needs.
func (s *Solver) checkRule() error {
	p := s.param
	var known bool
	if s.rule, known = rules[p.GetType()]; !known {
		return s.errorf("type", "unknown solver type %s", unknown(p.GetType(), solverTypes()))
	}
	if s.rule.noMomentum && p.GetMomentum() != 0 {
		return s.errorf("momentum", "momentum is %v, %s cannot be used with one", p.GetMomentum(), p.GetType())
	}
	if d := p.GetRmsDecay(); p.GetType() == "RMSProp" && !(d >= 0 && d < 1) {
		return s.errorf("rms_decay", "rms_decay is %v, want at least 0 and less than 1", d)
	}
	switch p.GetRegularizationType() {
	case "L2":
	case "L1":
		s.l1 = true
	default:
		return s.errorf("regularization_type", "unknown regularization_type %s",
			unknown(p.GetRegularizationType(), []string{"L1", "L2"}))
	}
	return nil
}

// makeHistory makes the blobs that the rule keeps, filled with zeros.
func (s *Solver) makeHistory() ([]*blob.Blob, error) {
	var history []*blob.Blob
	for range s.rule.histories {
		for _, p := range s.params {
			h, err := blob.New(p.Blob.Shape()...)
			if err != nil {
				return nil, err
			}
			history = append(history, h)
		}
	}
	return history, nil
}
