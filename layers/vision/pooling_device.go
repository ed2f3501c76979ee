package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*pooling)(nil)

// ForwardDevice computes the tops.
func (l *pooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	mask := cuda.Ptr(0)
	if len(top) > 1 {
		mask = top[1].MutableDeviceData(d)
	}
	return l.forwardDevice(d, bottom[0], top[0], mask)
}

// BackwardDevice computes the diff of the bottom.
func (l *pooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.backwardDevice(d, bottom[0], top[0], bottom[0].Count(), bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
