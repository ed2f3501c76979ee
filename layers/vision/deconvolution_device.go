package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*deconvolution)(nil)

// ForwardDevice computes the tops.
func (l *deconvolution) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	v, err := l.onDevice()
	if err != nil {
		return err
	}
	for i, x := range bottom {
		y := top[i].MutableDeviceData(d)
		l.convolveBack(d, v, x.DeviceData(d), y)
		if l.param.GetBiasTerm() {
			d.ChannelScaleShift(v.images, v.c*v.groups, v.h*v.w, y, 0, l.Blobs[1].DeviceData(d), y)
		}
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms and adds to those of the
// weights.
func (l *deconvolution) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	v, err := l.onDevice()
	if err != nil {
		return err
	}
	for i, x := range bottom {
		dy := top[i].DeviceDiff(d)
		if l.Needs(1) {
			d.ChannelSum(v.images, v.c*v.groups, v.h*v.w, dy, 1, l.Blobs[1].MutableDeviceDiff(d))
		}
		if l.Needs(0) {
			l.addWeightDiff(d, v, dy, x.DeviceData(d))
		}
		if propagateDown[i] {
			l.convolve(d, v, dy, 0, x.MutableDeviceDiff(d))
		}
	}
	return nil
}
