package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*scale)(nil)

// DeviceMode returns Recordable, or OnHost if the factors are limited to a range.
func (l *scale) DeviceMode() layers.DeviceMode {
	if l.limited() {
		return layers.OnHost
	}
	return layers.Recordable
}

// ForwardDevice computes the top.
func (l *scale) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	x, shift := bottom[0].DeviceData(d), cuda.Ptr(0)
	if l.keeps(bottom, top) {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	if l.param.GetBiasTerm() {
		shift = l.Blobs[len(l.Blobs)-1].DeviceData(d)
	}
	d.ChannelScaleShift(l.outer, l.dim, l.inner, x, l.a(bottom).DeviceData(d), shift, top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diffs of the bottoms and adds to those of the weights,
// in the order of Backward.
func (l *scale) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].DeviceDiff(d)
	if last := len(l.Blobs) - 1; l.param.GetBiasTerm() && l.Needs(last) {
		d.ChannelSum(l.outer, l.dim, l.inner, dy, 1, l.Blobs[last].MutableDeviceDiff(d))
	}
	x := bottom[0]
	if l.keeps(bottom, top) {
		x = l.kept.Blob()
	}
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		d.ChannelDot(l.outer, l.dim, l.inner, dy, x.DeviceData(d), 0, bottom[1].MutableDeviceDiff(d))
	case len(bottom) == 1 && l.Needs(0):
		d.ChannelDot(l.outer, l.dim, l.inner, dy, x.DeviceData(d), 1, l.Blobs[0].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		d.ChannelScaleShift(l.outer, l.dim, l.inner, dy, l.a(bottom).DeviceData(d), 0, bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
