// Package update subtracts a solver's step from weights.
package update

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject update -out ../update/update_amd64.s -stubs ../update/stubs_amd64.go -pkg update
//go:generate go run -C ../_asm ./arm64 -subject update -out ../update/update_arm64.s -stubs ../update/stubs_arm64.go

// A Rule is an update rule of Caffe's solvers: ComputeUpdateValue in the named
// file of its src/caffe/solvers.
type Rule byte

const (
	// SGD, of sgd_solver.cpp: history = rate·diff + momentum·history,
	// diff = history.
	SGD Rule = iota

	// Nesterov, of nesterov_solver.cpp: like SGD, but
	// diff = (1+momentum)·history - momentum·(previous history).
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

// A Step updates a param in one iteration of a solver, in one pass over memory. It
// multiplies the gradient, in Diff, by Clip and by Normalize and adds the weight decay;
// the rule, using and updating the histories, replaces it by the amount to subtract;
// and that is subtracted from the param.
type Step struct {
	Rule                           Rule
	Param, Diff, History, History2 []float32
	Clip, Normalize                float32
	Decay                          float32 // times the param, or times its sign if L1 is set
	L1                             bool
	Rate                           float32 // the learning rate times lr_mult
	Momentum, Momentum2, Delta     float32
	Clear                          bool // leave zeros in Diff, not the amount subtracted
}

// block is the number of elements that go through a whole step at a time: those of four
// slices stay in the first-level cache.
const block = 2 << 10

var loop = parallel.Loop[Step]{Body: func(u *Step, _, lo, hi int) {
	for ; lo < hi; lo += block {
		u.block(lo, min(lo+block, hi))
	}
}}

// Run executes the step.
func (u *Step) Run(p *parallel.Pool) {
	vec.Check("Update", min(len(u.Param), len(u.History)), len(u.Diff))
	if u.Rule >= AdaDelta {
		vec.Check("Update", len(u.History2), len(u.Diff))
	}
	loop.Run(p, len(u.Diff), vec.Block, *u)
}

// block executes the step for the elements from lo to hi-1.
func (u *Step) block(lo, hi int) {
	rules := implementations[cpu.Active()]
	w, g, h := u.Param[lo:hi], u.Diff[lo:hi], u.History[lo:hi]
	if u.Clip != 1 {
		vec.Scale(u.Clip, g, g)
	}
	if u.Normalize != 1 {
		vec.Scale(u.Normalize, g, g)
	}
	switch {
	case u.Decay == 0:
	case u.L1:
		axpySign(u.Decay, w, g)
	default:
		vec.Axpy(u.Decay, w, g)
	}
	switch u.Rule {
	case SGD:
		rules.sgd(g, h, u.Rate, u.Momentum)
	case Nesterov:
		rules.nesterov(g, h, u.Rate, u.Momentum)
	case AdaGrad:
		rules.adagrad(g, h, u.Rate, u.Delta)
	case RMSProp:
		rules.rmsprop(g, h, u.Rate, u.Momentum, u.Delta)
	case AdaDelta:
		rules.adadelta(g, h, u.History2[lo:hi], u.Rate, u.Momentum, u.Delta)
	case Adam:
		rules.adam(g, h, u.History2[lo:hi], u.Rate, u.Momentum, u.Momentum2, u.Delta)
	}
	vec.Axpy(-1, g, w)
	if u.Clear {
		vec.Fill(0, g)
	}
}
