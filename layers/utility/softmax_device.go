package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// ForwardDevice computes the top.
func (l *softmax) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	d.Softmax(l.outer, l.classes, l.inner, bottom[0].DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *softmax) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		d.SoftmaxBackward(l.outer, l.classes, l.inner, top[0].DeviceData(d), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
