package senet

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*axpy)(nil)

// ForwardDevice computes the top.
func (l *axpy) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	z := top[0].MutableDeviceData(d)
	d.ChannelScaleShift(1, l.channels, l.size, bottom[1].DeviceData(d), bottom[0].DeviceData(d), 0, z)
	d.Add(l.channels*l.size, z, bottom[2].DeviceData(d), z)
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *axpy) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dz := top[0].DeviceDiff(d)
	if propagateDown[0] {
		d.ChannelDot(1, l.channels, l.size, bottom[1].DeviceData(d), dz, 0, bottom[0].MutableDeviceDiff(d))
	}
	if propagateDown[1] {
		d.ChannelScaleShift(1, l.channels, l.size, dz, bottom[0].DeviceData(d), 0, bottom[1].MutableDeviceDiff(d))
	}
	if propagateDown[2] {
		d.Copy(l.channels*l.size, dz, bottom[2].MutableDeviceDiff(d))
	}
	return nil
}
