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

	Indices // the classes
	spec    *Spec
}

// NewLabels returns the reader of a layer's second bottom. Places whose label
// is ignore do not count; nil is no such label.
func NewLabels(spec *Spec, ignore *int32) *Labels {
	l := &Labels{spec: spec}
	l.ignore, l.outOfRange = ignore, l.labelOutOfRange
	return l
}

// Reshape takes the sizes of the scores and the blob of the labels, and fails
// if there is not one label for each place.
func (l *Labels) Reshape(labels *blob.Blob, outer, classes, inner int) error {
	if labels.Count() != outer*inner {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf(
			"got labels of shape %v, which are %d, want %d x %d = %d, one for each place that has %d scores",
			labels.Shape(), labels.Count(), outer, inner, outer*inner, classes))
	}
	l.Outer, l.Classes, l.Inner = outer, classes, inner
	return l.Indices.Reshape(outer*inner, classes)
}

// labelOutOfRange returns the error about label i.
func (l *Labels) labelOutOfRange(i int, v float32) error {
	place := fmt.Sprintf("item %d", i/l.Inner)
	if l.Inner > 1 {
		place += fmt.Sprintf(", place %d of it,", i%l.Inner)
	}
	return l.spec.ErrorAt("bottom", 1, fmt.Errorf(
		"label %v of %s is out of range: the scores have %d classes, which count from 0", v, place, l.Classes))
}
