package loss

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// beginDevice does what begin does on a device, and returns the classes of the places.
func (l *softmaxLabels) beginDevice(d *cuda.Device, bottom []*blob.Blob) (class cuda.Ptr) {
	class, _ = l.labels.ReadDevice(d, bottom[1])
	d.Softmax(l.labels.Outer, l.labels.Classes, l.labels.Inner, bottom[0].DeviceData(d), l.prob.MutableDeviceData(d))
	return class
}

// endDevice sets the tops, given the losses of the places in terms.
func (l *softmaxLabels) endDevice(d *cuda.Device, top []*blob.Blob) error {
	_, valid := l.labels.OnDevice(d)
	loss := top[0].MutableDeviceData(d)
	d.ChannelSum(1, 1, l.terms.Count(), l.terms.DeviceData(d), 0, loss)
	d.Launch(lossTop, cuda.Each(1), loss, l.deviceNormalizer(), valid)
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

func (l *softmaxLabels) deviceNormalizer() float32 {
	return l.norm.DeviceNormalizer(l.labels.Outer, l.labels.Inner)
}

// CheckDevice returns an error if a label was not that of a class.
func (l *softmaxLabels) CheckDevice() error { return l.labels.CheckDevice() }
