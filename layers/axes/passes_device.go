package axes

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// ForwardDevice is Forward on a device.
func (l *Passes) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.MoveDevice(d, top[0].MutableDeviceData(d), bottom[0].DeviceData(d), false)
	return nil
}

// BackwardDevice is Backward on a device.
func (l *Passes) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.MoveDevice(d, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), true)
	}
	return nil
}
