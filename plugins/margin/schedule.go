package margin

import (
	"fmt"
	"math"
	"strconv"
)

// A Schedule is λ as a function of the number of forward passes:
//
//	λ = max(base (1 + gamma iteration)^-power, lambda_min)
//
// It makes a layer that embeds it layers.Stateful.
type Schedule struct {
	options   Options
	iteration int64
}

// NewSchedule returns the schedule that begins at the iteration of the options.
func NewSchedule(o Options) Schedule { return Schedule{o, int64(o.Iteration)} }

// Next counts a pass, in either phase, and returns its λ.
func (s *Schedule) Next() float32 {
	s.iteration++
	o := s.options
	base := 1 + float32(o.Gamma*float32(s.iteration)) // rounded as the forks round it, which power enlarges
	lambda := o.Base * float32(math.Pow(float64(base), -float64(o.Power)))
	return max(lambda, o.LambdaMin)
}

// State returns the iteration.
func (s *Schedule) State() []byte { return strconv.AppendInt(nil, s.iteration, 10) }

// SetState sets the iteration to what State has returned.
func (s *Schedule) SetState(state []byte) error {
	n, err := strconv.ParseInt(string(state), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("the number of passes that lambda depends on is %q, want 0 or more", state)
	}
	s.iteration = n
	return nil
}
