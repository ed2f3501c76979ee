package layers

import (
	"fmt"
	"math"
	"strconv"
)

// PassCount is the number of passes on which a layer's numbers depend. A layer
// that embeds it is Stateful: the solver keeps the count in its snapshots.
type PassCount struct{ Passes int64 }

var _ Stateful = (*PassCount)(nil)

// State returns the count.
func (c *PassCount) State() []byte { return strconv.AppendInt(nil, c.Passes, 10) }

// SetState sets the count to what State has returned.
func (c *PassCount) SetState(state []byte) error {
	n, err := strconv.ParseInt(string(state), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("the number of passes is %q, want 0 or more", state)
	}
	c.Passes = n
	return nil
}

// Power returns (1 + gamma Passes)^power, by which layers change a number while they
// are trained. The base is rounded to float32, as Caffe's forks round it, since the
// power enlarges the difference. A gamma of 0 or more keeps the result from being NaN.
func (c *PassCount) Power(gamma, power float32) float32 {
	base := 1 + float32(gamma*float32(c.Passes))
	return float32(math.Pow(float64(base), float64(power)))
}
