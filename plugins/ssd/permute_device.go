package ssd

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*permute)(nil)

// ForwardDevice computes the top.
func (l *permute) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	x := bottom[0].DeviceData(d)
	if l.same {
		return top[0].ShareData(bottom[0])
	}
	l.mover.MoveDevice(d, top[0].MutableDeviceData(d), x, false)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *permute) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case !propagateDown[0]:
	case !l.same:
		l.mover.MoveDevice(d, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), true)
	case !bottom[0].SharesDiff(top[0]):
		d.Copy(bottom[0].Count(), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
