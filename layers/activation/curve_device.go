package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*curve)(nil)

// ForwardDevice computes the top.
func (l *curve) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := bottom[0].Count()
	d.Launch(l.forward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *curve) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if n := bottom[0].Count(); propagateDown[0] {
		d.Launch(l.backward, cuda.Each(n), top[0].DeviceData(d), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), n)
	}
	return nil
}
