package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*convolution)(nil)

// ForwardDevice computes the tops.
func (l *convolution) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	v, err := l.onDevice()
	if err != nil {
		return err
	}
	for i, x := range bottom {
		bias := cuda.Ptr(0)
		if l.param.GetBiasTerm() {
			bias = l.Blobs[1].DeviceData(d)
		}
		l.convolve(d, v, x.DeviceData(d), bias, top[i].MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms and adds to those of the
// weights.
func (l *convolution) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	v, err := l.onDevice()
	if err != nil {
		return err
	}
	for i, x := range bottom {
		dy := top[i].DeviceDiff(d)
		if l.Needs(1) {
			d.ChannelSum(v.images, v.o*v.groups, v.oh*v.ow, dy, 1, l.Blobs[1].MutableDeviceDiff(d))
		}
		if l.Needs(0) {
			l.addWeightDiff(d, v, x.DeviceData(d), dy)
		}
		if propagateDown[i] {
			l.convolveBack(d, v, dy, x.MutableDeviceDiff(d))
		}
	}
	return nil
}
