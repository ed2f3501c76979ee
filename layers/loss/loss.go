// Package loss implements the layers at the end of a net: losses, and metrics such as
// Accuracy.
package loss

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// reshape checks that the two bottoms of a loss have the same number of items, and makes
// the loss a scalar, as Caffe's loss_layer.cpp does.
func reshape(spec *layers.Spec, bottom, top []*blob.Blob) error {
	if err := spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	if x.Axes() == 0 || t.Axes() == 0 || x.Dim(0) != t.Dim(0) {
		return spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want the same first axis", x.Shape(), t.Shape()))
	}
	return top[0].Reshape()
}

// perPart is about how many elements one part of a loop works on.
const perPart = 1 << 14

// step returns how many places or items, each of the given number of elements, one part
// of a loop works on.
func step(elements int) int { return max(1, perPart/max(1, elements)) }
