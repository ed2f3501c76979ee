package solver

import (
	"math"

	"github.com/gocaffe/gocaffe/net"
)

// checkLocal checks the options of forks that change the learning rate of each weights
// and the momentum of each iteration. They are for the rule SGD, and the momentum for
// Nesterov too.
func (s *Solver) checkLocal() error {
	p := s.param
	if p.GetLarc() && p.GetLocalLrAuto() {
		return s.errorf("local_lr_auto", "larc and local_lr_auto are both set, want one of them")
	}
	for _, f := range []struct {
		field string
		set   bool
	}{{"larc", p.GetLarc()}, {"local_lr_auto", p.GetLocalLrAuto()}} {
		if f.set && p.GetType() != "SGD" {
			return s.errorf(f.field, "%s is for solvers of type SGD, this is one of type %s", f.field, p.GetType())
		}
	}
	if policy := p.GetLarcPolicy(); policy != "scale" && policy != "clip" {
		return s.errorf("larc_policy", "unknown larc_policy %s", unknown(policy, []string{"scale", "clip"}))
	}
	switch p.GetMomentumPolicy() {
	case "fixed":
	case "poly", "opt":
		if p.GetType() != "SGD" && p.GetType() != "Nesterov" {
			return s.errorf("momentum_policy", "momentum_policy %q is for solvers of types SGD and Nesterov, this is one of type %s",
				p.GetMomentumPolicy(), p.GetType())
		}
	default:
		return s.errorf("momentum_policy", "unknown momentum_policy %s", unknown(p.GetMomentumPolicy(), []string{"fixed", "poly", "opt"}))
	}
	return nil
}

// local reports whether each weights have a learning rate of their own.
func (s *Solver) local() bool { return s.param.GetLarc() || s.param.GetLocalLrAuto() }

// localRate returns the learning rate of weights, from that of the iteration and the
// norms of the weights and of their gradient, which is clipped and divided by iter_size,
// and without weight decay: GetLocalRate and ComputeUpdateValue of sgd_solver.cpp in
// NVIDIA's Caffe, on a GPU (larc), and in Intel's (local_lr_auto). lr_mult counts only
// where it is not positive.
func (s *Solver) localRate(rate float32, p *net.Param, weights, gradient float32) float32 {
	o, local := s.param, p.LRMult
	if local > 0 {
		local = 1
		switch {
		case !(weights > 0 && gradient > 0):
		case o.GetLarc():
			local = (1 - s.momentum) * o.GetLarcEta() * weights / gradient
		default:
			local = o.GetLocalGwRatio() * weights / (gradient + float32(o.GetWeightDecay()*weights))
		}
	}
	if o.GetLarc() && o.GetLarcPolicy() == "clip" {
		return min(rate, local)
	}
	return rate * local
}

// momentumOf returns the momentum of the current iteration, which has the given learning
// rate: GetMomentum of sgd_solver.cpp in NVIDIA's Caffe.
func (s *Solver) momentumOf(rate float32) float32 {
	p := s.param
	switch p.GetMomentumPolicy() {
	case "poly":
		share := float32(s.iter) / float32(p.GetMaxIter())
		return p.GetMomentum() + float32((p.GetMaxMomentum()-p.GetMomentum())*pow32(share, p.GetMomentumPower()))
	case "opt":
		root := 1 - 0.5*math.Sqrt(float64(rate))
		momentum := float32(root * root)
		if p.MaxMomentum != nil {
			momentum = min(momentum, p.GetMaxMomentum())
		}
		return momentum
	}
	return p.GetMomentum()
}
