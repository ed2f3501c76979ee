// Package loss holds the layers that end a net: losses, and the measures that
// stand beside them.
package loss

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// reshape is what the losses of two bottoms have in common, as in Caffe's
// loss_layer.cpp: both have the same number of items, and the loss is a scalar.
func reshape(spec *layers.Spec, bottom, top []*blob.Blob) error {
	if err := spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	if x.Axes() == 0 || t.Axes() == 0 || x.Dim(0) != t.Dim(0) {
		return spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want both to have the same first axis", x.Shape(), t.Shape()))
	}
	return top[0].Reshape()
}

// perPart is about how many elements one part of a loop works on.
const perPart = 1 << 14

// step returns how many places or items of the given number of elements one part of a
// loop works on.
func step(elements int) int { return max(1, perPart/max(1, elements)) }
