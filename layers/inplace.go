package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
)

// NotInPlace returns an error if a top is also a bottom. A layer that cannot
// work in place calls it from Reshape, before it gives the tops their shapes.
func (s *Spec) NotInPlace(bottom, top []*blob.Blob) error {
	for i, t := range top {
		for j, b := range bottom {
			if t == b {
				return s.ErrorAt("top", i, fmt.Errorf("top %d is also bottom %d: layers of type %s do not work in place", i, j, s.Param.GetType()))
			}
		}
	}
	return nil
}
