package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*bias)(nil)

// ForwardDevice computes the top.
func (l *bias) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	d.ChannelScaleShift(l.outer, l.dim, l.inner, bottom[0].DeviceData(d), 0, l.b(bottom).DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diffs of the bottoms or adds to that of the weights.
func (l *bias) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].DeviceDiff(d)
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		d.ChannelSum(l.outer, l.dim, l.inner, dy, 0, bottom[1].MutableDeviceDiff(d))
	case len(bottom) == 1 && l.Needs(0):
		d.ChannelSum(l.outer, l.dim, l.inner, dy, 1, l.Blobs[0].MutableDeviceDiff(d))
	}
	if propagateDown[0] && bottom[0] != top[0] {
		d.Copy(bottom[0].Count(), dy, bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
