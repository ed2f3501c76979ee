package utility

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed crop.ptx.gz
var cropPTX string

var (
	cropKernels  = cuda.NewModule(cropPTX)
	cropForward  = cropKernels.Kernel("crop_forward")
	cropBackward = cropKernels.Kernel("crop_backward")
)

var _ layers.DeviceLayer = (*crop)(nil)

// ForwardDevice computes the top.
func (l *crop) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := top[0].Count()
	d.Launch(cropForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.table.DeviceData(d),
		len(l.axes)+1, l.first, n)
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *crop) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			d.Zero(b.Count(), b.MutableDeviceDiff(d))
		}
	}
	if n := top[0].Count(); propagateDown[0] {
		d.Launch(cropBackward, cuda.Each(n), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), l.table.DeviceData(d),
			len(l.axes)+1, l.first, n)
	}
	return nil
}
