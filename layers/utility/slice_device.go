package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*slice)(nil)

// ForwardDevice computes the tops.
func (l *slice) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if len(top) == 1 {
		return shareOnDevice(d, top[0], bottom[0])
	}
	x, step := bottom[0].DeviceData(d), bottom[0].CountFrom(l.at)
	for _, t := range top {
		width := t.CountFrom(l.at)
		d.CopyRows(l.rows, width, x, step, t.MutableDeviceData(d), width)
		x = x.At(width)
	}
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *slice) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	if len(top) == 1 {
		passBackOnDevice(d, bottom[0], top[0])
		return nil
	}
	dx, step := bottom[0].MutableDeviceDiff(d), bottom[0].CountFrom(l.at)
	for _, t := range top {
		width := t.CountFrom(l.at)
		d.CopyRows(l.rows, width, t.DeviceDiff(d), width, dx, step)
		dx = dx.At(width)
	}
	return nil
}
