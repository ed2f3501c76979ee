package solver

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/kernel"
)

// update turns the gradient of each param into what is to be subtracted from
// it, and subtracts that: ApplyUpdate of Caffe's sgd_solver.cpp, with the rate
// computed before. The order of clipping, dividing by iter_size and weight
// decay is Caffe's.
func (s *Solver) update(rate float32) {
	s.clip()
	for i, p := range s.params {
		if n := s.param.GetIterSize(); n != 1 {
			diff := p.Blob.MutableDiff()
			kernel.ScaleP(s.opts.Workers, 1/float32(n), diff, diff)
		}
		s.regularize(p.Blob, s.param.GetWeightDecay()*p.DecayMult)
		s.rule.update(s, i, rate*p.LRMult)
	}
	s.net.Update()
	s.iter++
}

// clip scales the gradient down if its L2 norm over all params is above
// clip_gradients. A negative clip_gradients turns that off.
func (s *Solver) clip() {
	limit := s.param.GetClipGradients()
	if limit < 0 {
		return
	}
	var sum float64
	for _, p := range s.params {
		sum += kernel.SumSqP(s.opts.Workers, p.Blob.Diff())
	}
	norm := float32(math.Sqrt(sum))
	if !(norm > limit) {
		return
	}
	scale := limit / norm
	emit(s, Clipped{Iter: s.iter, Norm: norm, Max: limit, Scale: scale})
	for _, p := range s.params {
		diff := p.Blob.MutableDiff()
		kernel.ScaleP(s.opts.Workers, scale, diff, diff)
	}
}

// regularize adds the gradient of the weight decay to that of a param.
func (s *Solver) regularize(b *blob.Blob, decay float32) {
	switch {
	case decay == 0:
	case s.l1:
		kernel.AxpySignP(s.opts.Workers, decay, b.Data(), b.MutableDiff())
	default:
		kernel.AxpyP(s.opts.Workers, decay, b.Data(), b.MutableDiff())
	}
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

	// update computes the update of param i from its gradient, in its place.
	update func(s *Solver, i int, rate float32)
}

// rules are the types of solver, in order of increasing complexity. Each cites
// its file in Caffe's src/caffe/solvers.
var rules = map[string]rule{
	// sgd_solver.cpp
	"SGD": {histories: 1, update: func(s *Solver, i int, rate float32) {
		kernel.SGDUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(), rate, s.param.GetMomentum())
	}},

	// nesterov_solver.cpp
	"Nesterov": {histories: 1, update: func(s *Solver, i int, rate float32) {
		kernel.NesterovUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(), rate, s.param.GetMomentum())
	}},

	// adagrad_solver.cpp
	"AdaGrad": {histories: 1, noMomentum: true, update: func(s *Solver, i int, rate float32) {
		kernel.AdaGradUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(), rate, s.param.GetDelta())
	}},

	// rmsprop_solver.cpp
	"RMSProp": {histories: 1, noMomentum: true, update: func(s *Solver, i int, rate float32) {
		kernel.RMSPropUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(),
			rate, s.param.GetRmsDecay(), s.param.GetDelta())
	}},

	// adadelta_solver.cpp
	"AdaDelta": {histories: 2, update: func(s *Solver, i int, rate float32) {
		kernel.AdaDeltaUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(),
			s.history[len(s.params)+i].MutableData(), rate, s.param.GetMomentum(), s.param.GetDelta())
	}},

	// adam_solver.cpp: the powers of the betas and the root are float64, the
	// correction itself float32.
	"Adam": {histories: 2, update: func(s *Solver, i int, rate float32) {
		beta1, beta2 := s.param.GetMomentum(), s.param.GetMomentum2()
		t := float64(s.iter + 1)
		correction := float32(math.Sqrt(1-math.Pow(float64(beta2), t)) / (1 - math.Pow(float64(beta1), t)))
		kernel.AdamUpdate(s.opts.Workers, s.params[i].Blob.MutableDiff(), s.history[i].MutableData(),
			s.history[len(s.params)+i].MutableData(), rate*correction, beta1, beta2, s.param.GetDelta())
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
