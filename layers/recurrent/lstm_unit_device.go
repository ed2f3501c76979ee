package recurrent

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*lstmUnit)(nil)

// ForwardDevice computes the tops.
func (l *lstmUnit) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	LSTMStepDevice(d, l.cell.n, l.cell.d, bottom[2].DeviceData(d), bottom[1].DeviceData(d), bottom[0].DeviceData(d),
		l.acts.MutableDeviceData(d), top[0].MutableDeviceData(d), top[1].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diffs of the cells and of x.
func (l *lstmUnit) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] || propagateDown[1] {
		LSTMStepBackwardDevice(d, l.cell.n, l.cell.d, l.acts.DeviceData(d), bottom[0].DeviceData(d), top[0].DeviceData(d),
			top[0].DeviceDiff(d), top[1].DeviceDiff(d), l.diff(1, propagateDown, bottom).MutableDeviceDiff(d),
			l.diff(0, propagateDown, bottom).MutableDeviceDiff(d), 0)
	}
	return nil
}
