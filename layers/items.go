package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
)

// Items reads a blob as a matrix: the axes before an axis of choice number the
// items, which are its rows, and the axes from it on are the elements of an item.
// It is the option axis of InnerProduct and of layers like it.
type Items struct {
	spec    *Spec
	message string
	axis    int
}

// NewItems returns the Items of a layer whose options are in message, such as
// "inner_product_param", and whose option axis has the given value: the first axis
// of an item, where a negative one counts from the last.
func NewItems(spec *Spec, message string, axis int) Items { return Items{spec, message, axis} }

func (it Items) first(x *blob.Blob) (int, error) {
	axis, err := x.Axis(it.axis)
	if err != nil {
		return 0, it.spec.ErrorAt(it.message+".axis", 0, err)
	}
	return axis, nil
}

// NoItems returns an error if n, the number of items of the first bottom, is 0. A
// loss that is a mean over the items calls it from Reshape; in Caffe the mean is NaN.
func (s *Spec) NoItems(n int, bottom *blob.Blob) error {
	if n > 0 {
		return nil
	}
	return s.ErrorAt("bottom", 0, fmt.Errorf("bottom has shape %v and so no items, over which %s takes a mean", bottom.Shape(), s.Param.GetType()))
}

// Size returns the number of elements of an item of x, for SetUp.
func (it Items) Size(x *blob.Blob) (int, error) {
	axis, err := it.first(x)
	if err != nil {
		return 0, err
	}
	return x.CountFrom(axis), nil
}

// Count returns the number of items of x, for Reshape. It fails if an item does
// not have size elements, for which the weights were made.
func (it Items) Count(x *blob.Blob, size int) (int, error) {
	axis, err := it.first(x)
	if err != nil {
		return 0, err
	}
	if got := x.CountFrom(axis); got != size {
		return 0, it.spec.Errorf("bottom", "bottom has shape %v and items of %d elements, the weights are for items of %d", x.Shape(), got, size)
	}
	return x.CountRange(0, axis), nil
}

// ReshapeTop gives top the shape of x with a single axis of n elements, n being
// num_output, in place of the axes of an item.
func (it Items) ReshapeTop(x *blob.Blob, n int, top *blob.Blob) error {
	axis, err := it.first(x)
	if err != nil {
		return err
	}
	var shape [32]int
	copy(shape[:], x.Shape()[:axis])
	shape[axis] = n
	if err := top.Reshape(shape[:axis+1]...); err != nil {
		return it.spec.ErrorAt(it.message+".num_output", 0, err)
	}
	return nil
}
