package kernel

import "github.com/gocaffe/gocaffe/parallel"

// Rule is an update rule of Caffe's solvers: ComputeUpdateValue in the named
// file of its src/caffe/solvers.
type Rule byte

const (
	// SGD, of sgd_solver.cpp: history = rate·diff + momentum·history,
	// diff = history.
	SGD Rule = iota

	// Nesterov, of nesterov_solver.cpp: as SGD, but
	// diff = (1+momentum)·history - momentum·(history before).
	Nesterov

	// AdaGrad, of adagrad_solver.cpp: history += diff²,
	// diff = rate·diff/(√history + delta).
	AdaGrad

	// RMSProp, of rmsprop_solver.cpp:
	// history = (1-momentum)·diff² + momentum·history, where momentum is
	// rms_decay, diff = rate·diff/(√history + delta).
	RMSProp

	// AdaDelta, of adadelta_solver.cpp. The histories are the averages of the
	// squared gradients and of the squared updates:
	// history = (1-momentum)·diff² + momentum·history,
	// u = diff·√((delta+history2)/(delta+history)),
	// history2 = (1-momentum)·u² + momentum·history2, diff = rate·u.
	AdaDelta

	// Adam, of adam_solver.cpp: history = (1-momentum)·diff + momentum·history,
	// history2 = (1-momentum2)·diff² + momentum2·history2,
	// diff = rate·history/(√history2 + delta). rate includes the correction
	// √(1-momentum2ᵗ)/(1-momentumᵗ) of iteration t, counted from 1.
	Adam
)

// An Update is what a solver does to a param, in one pass over memory: the
// gradient, in Diff, is multiplied by Clip and by Normalize; the weight decay is
// added; the rule makes it what is to be subtracted from the param, with the
// histories that it has; and that is subtracted.
type Update struct {
	Rule                           Rule
	Param, Diff, History, History2 []float32
	Clip, Normalize                float32
	Decay                          float32 // times the param, or its sign if L1 is set
	L1                             bool
	Rate                           float32 // the learning rate times lr_mult
	Momentum, Momentum2, Delta     float32
	Clear                          bool // leaves zeros in Diff, not what was subtracted
}

// updateBlock is how many numbers are worked on at a time: of four slices they
// stay in the first-level cache.
const updateBlock = 2 << 10

var updateJob = parallel.Loop[Update]{Body: func(u *Update, _, lo, hi int) {
	for ; lo < hi; lo += updateBlock {
		u.block(lo, min(lo+updateBlock, hi))
	}
}}

// Run makes the update on the threads of p.
func (u *Update) Run(p *Pool) {
	vecCheck("Update", min(len(u.Param), len(u.History)), len(u.Diff))
	if u.Rule >= AdaDelta {
		vecCheck("Update", len(u.History2), len(u.Diff))
	}
	updateJob.Run(p, len(u.Diff), vecBlock, *u)
}

func (u *Update) block(lo, hi int) {
	v := vec()
	w, g, h := u.Param[lo:hi], u.Diff[lo:hi], u.History[lo:hi]
	if u.Clip != 1 {
		v.scale(u.Clip, g, g)
	}
	if u.Normalize != 1 {
		v.scale(u.Normalize, g, g)
	}
	switch {
	case u.Decay == 0:
	case u.L1:
		axpySign(u.Decay, w, g)
	default:
		v.axpy(u.Decay, w, g)
	}
	switch u.Rule {
	case SGD:
		v.sgd(g, h, u.Rate, u.Momentum)
	case Nesterov:
		v.nesterov(g, h, u.Rate, u.Momentum)
	case AdaGrad:
		v.adagrad(g, h, u.Rate, u.Delta)
	case RMSProp:
		v.rmsprop(g, h, u.Rate, u.Momentum, u.Delta)
	case AdaDelta:
		v.adadelta(g, h, u.History2[lo:hi], u.Rate, u.Momentum, u.Delta)
	case Adam:
		v.adam(g, h, u.History2[lo:hi], u.Rate, u.Momentum, u.Momentum2, u.Delta)
	}
	v.axpy(-1, g, w)
	if u.Clear {
		v.fill(g, 0)
	}
}
