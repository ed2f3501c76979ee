package margin

import (
	"github.com/gocaffe/gocaffe/layers"
)

// A Schedule is λ as a function of the number of forward passes:
//
//	λ = max(base (1 + gamma iteration)^-power, lambda_min)
//
// A layer that embeds it is layers.Stateful.
type Schedule struct {
	layers.PassCount
	options Options
}

// NewSchedule returns the schedule that starts at the iteration in the options.
func NewSchedule(o Options) Schedule {
	return Schedule{layers.PassCount{Passes: int64(o.Iteration)}, o}
}

// Next counts a pass, in either phase, and returns the pass's λ.
func (s *Schedule) Next() float32 {
	s.Passes++
	o := s.options
	return max(o.Base*s.Power(o.Gamma, -o.Power), o.LambdaMin)
}
