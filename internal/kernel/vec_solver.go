package kernel

// The functions of this file are the update rules of Caffe's solvers, each in
// one pass over a param. They replace diff, the gradient, by what is to be
// subtracted from the param, and update the histories. rate is the learning
// rate times the param's lr_mult. The formulas are those of ComputeUpdateValue
// in the named file of Caffe's src/caffe/solvers.

type updateArgs struct {
	diff, h, h2             []float32
	rate, mom1, mom2, delta float32
}

var (
	sgdJob      = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) { vec().sgd(u.diff[lo:hi], u.h[lo:hi], u.rate, u.mom1) }}
	nesterovJob = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) {
		vec().nesterov(u.diff[lo:hi], u.h[lo:hi], u.rate, u.mom1)
	}}
	adagradJob = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) {
		vec().adagrad(u.diff[lo:hi], u.h[lo:hi], u.rate, u.delta)
	}}
	rmspropJob = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) {
		vec().rmsprop(u.diff[lo:hi], u.h[lo:hi], u.rate, u.mom1, u.delta)
	}}
	adadeltaJob = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) {
		vec().adadelta(u.diff[lo:hi], u.h[lo:hi], u.h2[lo:hi], u.rate, u.mom1, u.delta)
	}}
	adamJob = job[updateArgs]{f: func(u *updateArgs, _, lo, hi int) {
		vec().adam(u.diff[lo:hi], u.h[lo:hi], u.h2[lo:hi], u.rate, u.mom1, u.mom2, u.delta)
	}}
)

// SGDUpdate, of sgd_solver.cpp: history = rate·diff + momentum·history,
// diff = history.
func SGDUpdate(p *Pool, diff, history []float32, rate, momentum float32) {
	vecCheck("SGDUpdate", len(history), len(diff))
	sgdJob.run(p, len(diff), vecBlock, updateArgs{diff: diff, h: history, rate: rate, mom1: momentum})
}

// NesterovUpdate, of nesterov_solver.cpp: as SGDUpdate, but
// diff = (1+momentum)·history - momentum·(history before).
func NesterovUpdate(p *Pool, diff, history []float32, rate, momentum float32) {
	vecCheck("NesterovUpdate", len(history), len(diff))
	nesterovJob.run(p, len(diff), vecBlock, updateArgs{diff: diff, h: history, rate: rate, mom1: momentum})
}

// AdaGradUpdate, of adagrad_solver.cpp: history += diff²,
// diff = rate·diff/(√history + delta).
func AdaGradUpdate(p *Pool, diff, history []float32, rate, delta float32) {
	vecCheck("AdaGradUpdate", len(history), len(diff))
	adagradJob.run(p, len(diff), vecBlock, updateArgs{diff: diff, h: history, rate: rate, delta: delta})
}

// RMSPropUpdate, of rmsprop_solver.cpp:
// history = (1-decay)·diff² + decay·history, diff = rate·diff/(√history + delta).
func RMSPropUpdate(p *Pool, diff, history []float32, rate, decay, delta float32) {
	vecCheck("RMSPropUpdate", len(history), len(diff))
	rmspropJob.run(p, len(diff), vecBlock, updateArgs{diff: diff, h: history, rate: rate, mom1: decay, delta: delta})
}

// AdaDeltaUpdate, of adadelta_solver.cpp. gradients and updates are the
// averages of the squared gradients and of the squared updates:
// gradients = (1-momentum)·diff² + momentum·gradients,
// u = diff·√((delta+updates)/(delta+gradients)),
// updates = (1-momentum)·u² + momentum·updates, diff = rate·u.
func AdaDeltaUpdate(p *Pool, diff, gradients, updates []float32, rate, momentum, delta float32) {
	vecCheck("AdaDeltaUpdate", min(len(gradients), len(updates)), len(diff))
	adadeltaJob.run(p, len(diff), vecBlock,
		updateArgs{diff: diff, h: gradients, h2: updates, rate: rate, mom1: momentum, delta: delta})
}

// AdamUpdate, of adam_solver.cpp: m = (1-beta1)·diff + beta1·m,
// v = (1-beta2)·diff² + beta2·v, diff = rate·m/(√v + epsHat). rate includes
// the correction √(1-beta2ᵗ)/(1-beta1ᵗ) of iteration t, counted from 1.
func AdamUpdate(p *Pool, diff, m, v []float32, rate, beta1, beta2, epsHat float32) {
	vecCheck("AdamUpdate", min(len(m), len(v)), len(diff))
	adamJob.run(p, len(diff), vecBlock,
		updateArgs{diff: diff, h: m, h2: v, rate: rate, mom1: beta1, mom2: beta2, delta: epsHat})
}
