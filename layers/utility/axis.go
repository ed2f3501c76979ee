package utility

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// axisOption is the axis of Concat and Slice, which has an old name.
type axisOption struct {
	field string // the name it was given by
	axis  int
}

// newAxisOption chooses between the new and the old option of a message.
func newAxisOption(spec *layers.Spec, message, oldName string, axis int32, hasAxis bool, old uint32, hasOld bool) (axisOption, error) {
	switch {
	case !hasOld:
		return axisOption{message + ".axis", int(axis)}, nil
	case hasAxis:
		return axisOption{}, spec.Errorf(message+"."+oldName, "got both axis %d and %s %d, want one of them", axis, oldName, old)
	case old > math.MaxInt32: // a negative number, before it became unsigned
		return axisOption{}, spec.Errorf(message+"."+oldName, "got %s %d, want the number of an axis", oldName, old)
	}
	return axisOption{message + "." + oldName, int(old)}, nil
}

// of returns the axis of a blob.
func (o axisOption) of(spec *layers.Spec, b *blob.Blob) (int, error) {
	axis, err := b.Axis(o.axis)
	if err != nil {
		return 0, spec.ErrorAt(o.field, 0, err)
	}
	return axis, nil
}
