package mobile

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	channelScalePass = mobileKernels.Kernel("channel_scale_pass")
	channelScaleSum  = mobileKernels.Kernel("channel_scale_sum")
)

var _ layers.DeviceLayer = (*channelScale)(nil)

// ForwardDevice computes the top.
func (l *channelScale) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.scaleDevice(d, l.options.Forward, bottom[0].DeviceData(d), bottom[1].DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

// scaleDevice sets y to x a, or to x.
func (l *channelScale) scaleDevice(d *cuda.Device, scale bool, x, a, y cuda.Ptr) {
	n := l.n * l.c * l.s
	if !scale {
		d.Copy(n, x, y)
		return
	}
	d.Launch(channelScalePass, cuda.Each(n), x, a, y, l.c, l.s, n)
}

// BackwardDevice computes the diffs of the bottoms.
func (l *channelScale) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].DeviceDiff(d)
	if propagateDown[0] {
		l.scaleDevice(d, l.options.BackwardFeature, dy, bottom[1].DeviceData(d), bottom[0].MutableDeviceDiff(d))
	}
	if !propagateDown[1] {
		return nil
	}
	n, da := l.n*l.s, bottom[1].MutableDeviceDiff(d)
	if !l.options.BackwardScale {
		d.Zero(n, da)
		return nil
	}
	d.Launch(channelScaleSum, cuda.Each(n), bottom[0].DeviceData(d), dy, da, l.c, l.s, n)
	return nil
}
