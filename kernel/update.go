package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/update"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Rule is the update rule of one of Caffe's solvers: ComputeUpdateValue in the
// named file of its src/caffe/solvers.
type Rule byte

const (
	// SGD is the rule of sgd_solver.cpp:
	// history = rate diff + momentum history, diff = history.
	SGD Rule = Rule(update.SGD)

	// Nesterov is the rule of nesterov_solver.cpp: as SGD, but
	// diff = (1+momentum) history - momentum (history before).
	Nesterov Rule = Rule(update.Nesterov)

	// AdaGrad is the rule of adagrad_solver.cpp: history += diff²,
	// diff = rate diff/(√history + delta).
	AdaGrad Rule = Rule(update.AdaGrad)

	// RMSProp is the rule of rmsprop_solver.cpp, where momentum is rms_decay:
	// history = (1-momentum) diff² + momentum history,
	// diff = rate diff/(√history + delta).
	RMSProp Rule = Rule(update.RMSProp)

	// AdaDelta is the rule of adadelta_solver.cpp. The histories are the averages
	// of the squared gradients and of the squared updates:
	// history = (1-momentum) diff² + momentum history,
	// u = diff √((delta+history2)/(delta+history)),
	// history2 = (1-momentum) u² + momentum history2, diff = rate u.
	AdaDelta Rule = Rule(update.AdaDelta)

	// Adam is the rule of adam_solver.cpp: history = (1-momentum) diff + momentum history,
	// history2 = (1-momentum2) diff² + momentum2 history2,
	// diff = rate history/(√history2 + delta). rate includes the correction
	// √(1-momentum2ᵗ)/(1-momentumᵗ) of iteration t, counted from 1.
	Adam Rule = Rule(update.Adam)
)

// An Update is one step of a solver on one param, in one pass over memory: the
// gradient, in Diff, is multiplied by Clip and by Normalize; the weight decay is
// added; the rule turns it into the step, using the histories; and the step is
// subtracted from the param.
type Update struct {
	Rule                           Rule
	Param, Diff, History, History2 []float32 // of equal length; History2 for AdaDelta and Adam
	Clip, Normalize                float32
	Decay                          float32 // times the param, or times its sign if L1 is set
	L1                             bool
	Rate                           float32 // the learning rate times lr_mult
	Momentum, Momentum2, Delta     float32
	Clear                          bool // leave zeros in Diff instead of the step
}

// Run executes the update.
func (u *Update) Run(p *parallel.Pool) {
	step := update.Step{
		Rule:  update.Rule(u.Rule),
		Param: u.Param, Diff: u.Diff, History: u.History, History2: u.History2,
		Clip: u.Clip, Normalize: u.Normalize, Decay: u.Decay, L1: u.L1,
		Rate: u.Rate, Momentum: u.Momentum, Momentum2: u.Momentum2, Delta: u.Delta,
		Clear: u.Clear,
	}
	step.Run(p)
}
