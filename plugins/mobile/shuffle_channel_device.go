package mobile

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed mobile.ptx.gz
var mobilePTX string

var (
	mobileKernels = cuda.NewModule(mobilePTX)
	shufflePass   = mobileKernels.Kernel("shuffle_channel_pass")
)

var _ layers.DeviceLayer = (*shuffleChannel)(nil)

// ForwardDevice deals the channels.
func (l *shuffleChannel) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.dealDevice(d, l.group, l.columns, bottom[0].DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice collects them.
func (l *shuffleChannel) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.dealDevice(d, l.columns, l.group, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
	}
	return nil
}

// dealDevice is deal on a device.
func (l *shuffleChannel) dealDevice(d *cuda.Device, rows, columns int, x, y cuda.Ptr) {
	n := l.items * rows * columns * l.inner
	d.Launch(shufflePass, cuda.Each(n), x, y, rows, columns, l.inner, n)
}
