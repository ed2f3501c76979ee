package layers

import "fmt"

// NoGradient returns an error if propagateDown, the argument of Backward, asks for
// the gradient of bottom from or of one after it. A layer calls it whose bottoms from
// there on have no gradient, such as labels.
func (s *Spec) NoGradient(propagateDown []bool, from int) error {
	for i := from; i < len(propagateDown); i++ {
		if propagateDown[i] {
			return s.ErrorAt("bottom", i, fmt.Errorf("layers of type %s cannot backpropagate to bottom %d", s.Param.GetType(), i))
		}
	}
	return nil
}
