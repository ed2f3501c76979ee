package solver

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/internal/near"
)

// policies are the valid values of lr_policy.
var policies = []string{"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid", "multifixed"}

// checkPolicy checks the fields that the learning rate policy needs.
//
// Differs from Caffe: it is called before training, not in the first iteration.
func (s *Solver) checkPolicy() error {
	p := s.param
	needStep, needGamma := false, false
	switch p.GetLrPolicy() {
	case "fixed", "poly":
	case "step", "sigmoid":
		needStep, needGamma = true, true
	case "exp", "inv", "multistep":
		needGamma = true
	case "multifixed":
		return s.checkStages()
	case "":
		return s.errorf("", "lr_policy is not set, want one of %s", list(policies))
	default:
		return s.errorf("lr_policy", "unknown lr_policy %s", unknown(p.GetLrPolicy(), policies))
	}
	if needGamma && !(p.GetGamma() >= 0) {
		return s.errorf("gamma", "gamma is %v, lr_policy %q wants 0 or more", p.GetGamma(), p.GetLrPolicy())
	}
	if needStep && p.GetStepsize() <= 0 {
		return s.errorf("stepsize", "stepsize is %d, lr_policy %q wants 1 or more", p.GetStepsize(), p.GetLrPolicy())
	}
	return nil
}

// checkStages checks the learning rates of lr_policy multifixed, which is
// MobileNet-YOLO's.
func (s *Solver) checkStages() error {
	rates, ends := s.param.Stagelr, s.param.Stageiter
	if len(rates) == 0 || len(rates) != len(ends) {
		return s.errorf("lr_policy", "there are %d stagelr and %d stageiter, lr_policy \"multifixed\" wants as many, at least one", len(rates), len(ends))
	}
	for i, rate := range rates {
		if !(rate >= 0 && rate <= math.MaxFloat32) { // true for NaN too
			return s.errorAt("stagelr", i, fmt.Errorf("stagelr is %v, want a finite number from 0", rate))
		}
		if i > 0 && ends[i] <= ends[i-1] {
			return s.errorAt("stageiter", i, fmt.Errorf("stageiter %d comes after %d, want ascending values", ends[i], ends[i-1]))
		}
	}
	return nil
}

// rate returns the learning rate of iteration s.iter, as GetLearningRate of
// Caffe's sgd_solver.cpp does. The multistep policy has a state, currentStep,
// which advances by at most one step per call; moved is its new value, or 0 if it
// has not advanced.
//
// Everything is computed in float32 except powers with an integer exponent,
// for which C++ uses float64.
//
// Before the policy come the first iterations of Intel's and NVIDIA's Caffe, warmup_iter
// and rampup_interval; no rate is below NVIDIA's min_lr.
func (s *Solver) rate() (rate float32, moved int) {
	p := s.param
	base, iter := p.GetBaseLr(), float32(s.iter)
	switch warmup, rampup := p.GetWarmupIter(), p.GetRampupInterval(); {
	case s.iter < int(warmup):
		rate = (float32(iter*base) + float32(float32(int(warmup)-s.iter)*p.GetWarmupStartLr())) / float32(warmup)
	case s.iter < int(rampup):
		alpha := iter / float32(rampup)
		rate = p.GetRampupLr() + float32((base-p.GetRampupLr())*alpha*alpha)
	default:
		rate, moved = s.policyRate()
	}
	if least := p.GetMinLr(); least > 0 {
		rate = max(rate, least)
	}
	return rate, moved
}

// policyRate returns the learning rate of the policy.
func (s *Solver) policyRate() (rate float32, moved int) {
	p := s.param
	base, gamma, iter := p.GetBaseLr(), p.GetGamma(), float32(s.iter)
	switch p.GetLrPolicy() {
	case "step":
		s.currentStep = s.iter / int(p.GetStepsize())
		return base32(base, gamma, s.currentStep), 0
	case "exp":
		return base32(base, gamma, s.iter), 0
	case "inv":
		return base * pow32(1+float32(gamma*iter), -p.GetPower()), 0
	case "multistep":
		if s.currentStep < len(p.Stepvalue) && s.iter >= int(p.Stepvalue[s.currentStep]) {
			s.currentStep++
			moved = s.currentStep
		}
		return base32(base, gamma, s.currentStep), moved
	case "poly":
		least := p.GetMinLr()
		return float32((base-least)*pow32(1-iter/float32(p.GetMaxIter()), p.GetPower())) + least, 0
	case "multifixed":
		for i, end := range p.Stageiter {
			if s.iter <= int(end) {
				return p.Stagelr[i], 0
			}
		}
		return p.Stagelr[len(p.Stagelr)-1], 0
	case "sigmoid":
		return base * (1 / (1 + exp32(-gamma*(iter-float32(p.GetStepsize()))))), 0
	}
	return base, 0 // fixed: checkPolicy refuses anything else
}

// base32 returns base·gammaⁿ.
func base32(base, gamma float32, n int) float32 {
	return float32(float64(base) * math.Pow(float64(gamma), float64(n)))
}

func pow32(x, y float32) float32 { return float32(math.Pow(float64(x), float64(y))) }

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

// unknown quotes a name that is not known and suggests the closest known name, or
// lists them all if none is close.
func unknown(name string, known []string) string {
	if near := near.Name(name, known); near != "" {
		return fmt.Sprintf("%q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("%q, want one of %s", name, list(known))
}
