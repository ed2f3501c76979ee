package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
)

// Labels reads the second bottom of a loss or of a measure: the number of the
// true class, from 0, for each of the outer × inner places at which the first
// bottom, of outer × classes × inner numbers, has scores.
type Labels struct {
	// Outer, Classes and Inner are the sizes of the scores before, at and
	// after the axis of the classes, as of the last Reshape.
	Outer, Classes, Inner int

	spec   *Spec
	ignore *int32
	class  []int32

	onDevice, info blob.Blob // of ReadDevice: ints
}

// NewLabels returns the reader of a layer's second bottom. Places whose label
// is ignore do not count; nil is no such label.
func NewLabels(spec *Spec, ignore *int32) *Labels { return &Labels{spec: spec, ignore: ignore} }

// Reshape takes the sizes of the scores and the blob of the labels, and fails
// if there is not one label for each place.
func (l *Labels) Reshape(labels *blob.Blob, outer, classes, inner int) error {
	if labels.Count() != outer*inner {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf(
			"got labels of shape %v, which are %d, want %d x %d = %d, one for each place that has %d scores",
			labels.Shape(), labels.Count(), outer, inner, outer*inner, classes))
	}
	l.Outer, l.Classes, l.Inner = outer, classes, inner
	if cap(l.class) < outer*inner {
		l.class = make([]int32, outer*inner)
	}
	l.class = l.class[:outer*inner]
	if err := l.info.Reshape(4); err != nil {
		return err
	}
	return l.onDevice.Reshape(outer, inner)
}

// Read returns the class of each place, or -1 where the label is the one to
// ignore, and the number of places that count. A fraction is cut off, as in
// Caffe. It fails if a label is not that of a class.
//
// Differs from Caffe: a release build of Caffe does not look, and reads or
// writes beyond the scores.
func (l *Labels) Read(labels *blob.Blob) (class []int32, valid int, err error) {
	for i, v := range labels.Data() {
		whole := v >= -1<<31 && v < 1<<31 // NaN is not
		if whole && l.ignore != nil && int32(v) == *l.ignore {
			l.class[i] = -1
			continue
		}
		if !whole || int32(v) < 0 || int(v) >= l.Classes {
			return nil, 0, l.outOfRange(i, v)
		}
		l.class[i] = int32(v)
		valid++
	}
	return l.class, valid, nil
}

func (l *Labels) outOfRange(i int, v float32) error {
	place := fmt.Sprintf("item %d", i/l.Inner)
	if l.Inner > 1 {
		place += fmt.Sprintf(", place %d of it,", i%l.Inner)
	}
	return l.spec.ErrorAt("bottom", 1, fmt.Errorf(
		"label %v of %s is out of range: the scores have %d classes, which count from 0", v, place, l.Classes))
}
