package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*concat)(nil)

// ForwardDevice computes the top.
func (l *concat) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if len(bottom) == 1 {
		return shareOnDevice(d, top[0], bottom[0])
	}
	y, step := top[0].MutableDeviceData(d), top[0].CountFrom(l.at)
	for _, b := range bottom {
		width := b.CountFrom(l.at)
		d.CopyRows(l.rows, width, b.DeviceData(d), width, y, step)
		y = y.At(width)
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *concat) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if len(bottom) == 1 {
		if propagateDown[0] {
			passBackOnDevice(d, bottom[0], top[0])
		}
		return nil
	}
	dy, step := top[0].DeviceDiff(d), top[0].CountFrom(l.at)
	for i, b := range bottom {
		width := b.CountFrom(l.at)
		if propagateDown[i] {
			d.CopyRows(l.rows, width, dy, step, b.MutableDeviceDiff(d), width)
		}
		dy = dy.At(width)
	}
	return nil
}
