package layers

import (
	"fmt"
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
