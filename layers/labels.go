package layers

import (
	_ "embed"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed labels.ptx.gz
var labelsPTX string

var (
	labelsModule = cuda.NewModule(labelsPTX)
	labelsBegin  = labelsModule.Kernel("labels_begin")
	labelsRead   = labelsModule.Kernel("labels_read")
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

// ReadDevice does what Read does on a device. It returns the addresses of the
// classes, an int for each place, and of the number of places that count, an int.
// A label that is not that of a class is as one to ignore: the host does not
// wait here, and learns of it from CheckDevice.
func (l *Labels) ReadDevice(d *cuda.Device, labels *blob.Blob) (class, valid cuda.Ptr) {
	ignore := int32(0)
	if l.ignore != nil {
		ignore = *l.ignore
	}
	class, info := l.onDevice.MutableDeviceData(d), l.info.MutableDeviceData(d)
	n := labels.Count()
	d.Launch(labelsBegin, cuda.Each(1), info)
	d.Launch(labelsRead, cuda.Each(n), labels.DeviceData(d), class, info, l.ignore != nil, ignore, l.Classes, n)
	return class, info
}

// CheckDevice waits for the device and returns an error, once, if a label since
// the last call was not that of a class. The layer's CheckDevice calls it
// (DeviceChecker).
func (l *Labels) CheckDevice() error {
	if l.info.Count() == 0 {
		return nil
	}
	info := l.info.Data()
	value, place := info[2], math.Float32bits(info[3])
	if place == 0 {
		return nil
	}
	clear(l.info.MutableData())
	return l.outOfRange(int(math.MaxInt32-place), value)
}

// OnDevice returns the addresses that ReadDevice has returned, for Backward.
func (l *Labels) OnDevice(d *cuda.Device) (class, valid cuda.Ptr) {
	return l.onDevice.DeviceData(d), l.info.DeviceData(d)
}
