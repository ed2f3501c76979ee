package layers

import (
	_ "embed"
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
	labelsLog    = labelsModule.Kernel("labels_log_terms")
)

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

// LogTermsDevice sets terms to -log max(p, least), p being the probability of the true
// class of each softmax, and to 0 where the label is ignored. prob is (Outer, groups,
// Classes, Inner): groups of softmaxes have the same labels. terms is (Outer, groups,
// Inner).
func (l *Labels) LogTermsDevice(d *cuda.Device, groups int, prob cuda.Ptr, least float32, terms cuda.Ptr) {
	class, _ := l.OnDevice(d)
	n := l.Outer * groups * l.Inner
	d.Launch(labelsLog, cuda.Each(n), prob, class, least, terms, groups, l.Classes, l.Inner, n)
}
