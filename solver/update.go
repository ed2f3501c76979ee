package solver

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
)

// An updater updates the weights, as ApplyUpdate of Caffe's sgd_solver.cpp does:
// it clips the gradient, divides it by iter_size, adds weight decay, turns it
// into an update by the solver's rule, and subtracts that.
type updater interface {
	// update runs the rule with a learning rate and the rule's factor of it. If
	// another iteration follows, it may clear the gradients for that one.
	update(rate, scale float32, another bool) error

	// reset discards what was recorded. It is called when the histories change.
	reset() error
}

// update updates the weights and ends the iteration.
func (s *Solver) update(rate float32, another bool) error {
	scale := float32(1)
	if s.rule.scale != nil {
		scale = s.rule.scale(s)
	}
	s.momentum = s.momentumOf(rate)
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
		if s.fixed[i] {
			continue
		}
		o.Param, o.Diff, o.History = p.Blob.MutableData(), p.Blob.MutableDiff(), s.history[i].MutableData()
		if s.rule.histories == 2 {
			o.History2 = s.history[len(s.params)+i].MutableData()
		}
		o.Decay, o.Rate = s.param.GetWeightDecay()*p.DecayMult, rate*p.LRMult*scale
		if s.local() {
			w, g := norm(kernel.SumSq(s.opts.Workers, o.Param)), norm(kernel.SumSq(s.opts.Workers, o.Diff))
			o.Rate = s.localRate(rate, p, w, o.Clip*o.Normalize*g)
		}
		o.Run(s.opts.Workers)
	}
	if clear {
		s.net.ParamDiffsCleared()
	}
	return nil
}

// norm returns the L2 norm of numbers whose squares have a sum.
func norm(squares float64) float32 { return float32(math.Sqrt(squares)) }

// updateOptions returns the options that are the same for all params.
func (s *Solver) updateOptions() kernel.Update {
	u := kernel.Update{
		Rule: s.rule.kernel, Clip: 1, Normalize: 1 / float32(s.param.GetIterSize()), L1: s.l1,
		Momentum: s.momentum, Momentum2: s.param.GetMomentum2(), Delta: s.param.GetDelta(),
	}
	if s.rule.kernel == kernel.RMSProp {
		u.Momentum = s.param.GetRmsDecay()
	}
	return u
}

// clip returns the factor that scales the gradient down to the L2 norm
// clip_gradients over all params, or 1 if its norm is not larger. A negative
// clip_gradients turns clipping off.
func (u hostUpdater) clip() float32 {
	s := u.s
	if s.param.GetClipGradients() < 0 {
		return 1
	}
	var sum float64
	for _, p := range s.params {
		if !p.Statistic {
			sum += kernel.SumSq(s.opts.Workers, p.Blob.Diff())
		}
	}
	return s.clipScale(sum)
}

// clipScale returns the factor of clip for a gradient whose squares have the
// given sum. It sends an event if that is not 1.
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

// A rule describes a type of solver. Package kernel has its formula.
type rule struct {
	// histories is the number of blobs that the rule keeps for each param. A
	// snapshot has the first blobs of all params, then the second ones.
	histories int

	noMomentum bool // the rule does not support momentum

	// linear says that the update is linear in the gradient and the history: with
	// an lr_mult of 0 a history of zeros stays as it is, and so do the weights.
	linear bool

	kernel kernel.Rule

	// scale returns a factor of the learning rate; nil for 1.
	scale func(s *Solver) float32
}

// rules are the rules by type of solver.
var rules = map[string]rule{
	"SGD":      {kernel: kernel.SGD, histories: 1, linear: true},
	"Nesterov": {kernel: kernel.Nesterov, histories: 1, linear: true},
	"AdaGrad":  {kernel: kernel.AdaGrad, histories: 1, noMomentum: true},
	"RMSProp":  {kernel: kernel.RMSProp, histories: 1, noMomentum: true},
	"AdaDelta": {kernel: kernel.AdaDelta, histories: 2},

	// As in adam_solver.cpp, the powers of the betas and the root are computed
	// in float64, and the factor is a float32.
	"Adam": {kernel: kernel.Adam, histories: 2, scale: func(s *Solver) float32 {
		t := float64(s.iter + 1)
		beta1, beta2 := float64(s.param.GetMomentum()), float64(s.param.GetMomentum2())
		return float32(math.Sqrt(1-math.Pow(beta2, t)) / (1 - math.Pow(beta1, t)))
	}},
}

// checkRule finds the rule of the solver's type and checks its fields.
func (s *Solver) checkRule() error {
	p := s.param
	var known bool
	if s.rule, known = rules[p.GetType()]; !known {
		return s.errorf("type", "unknown solver type %s", unknown(p.GetType(), solverTypes()))
	}
	if s.rule.noMomentum && p.GetMomentum() != 0 {
		return s.errorf("momentum", "momentum is %v, %s does not support momentum", p.GetMomentum(), p.GetType())
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

// setHistory sets the history, and finds the weights that no update changes: the
// statistics of layers with an lr_mult of 0, unless the rule keeps something of
// their decay, or they were trained before.
func (s *Solver) setHistory(history []*blob.Blob) {
	s.history = history
	s.fixed = make([]bool, len(s.params))
	for i, p := range s.params {
		s.fixed[i] = p.Statistic && p.LRMult == 0 && s.rule.linear && kernel.Asum(nil, history[i].Data()) == 0
	}
}

// makeHistory returns new blobs for the rule to keep, filled with zeros.
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
