package loss

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// beginDevice does on a device what begin does, and returns the addresses of the
// classes and of the probabilities.
func (l *softmaxLabels) beginDevice(d *cuda.Device, bottom []*blob.Blob) (class, prob cuda.Ptr) {
	l.loss.Weights().ReadDevice(bottom)
	class, prob = l.loss.ReadDevice(d, bottom[1]), l.prob.MutableDeviceData(d)
	d.Softmax(l.labels.Outer, l.labels.Classes, l.labels.Inner, bottom[0].DeviceData(d), prob)
	return class, prob
}

// endDevice makes the probabilities the data of the second top.
func (l *softmaxLabels) endDevice(top []*blob.Blob) error {
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

// CheckDevice returns an error if a label was out of range.
func (l *softmaxLabels) CheckDevice() error { return l.loss.CheckDevice() }
