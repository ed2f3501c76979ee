package mobile

import (
	"context"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	l1LossForward  = mobileKernels.Kernel("l1_loss_forward")
	l1LossBackward = mobileKernels.Kernel("l1_loss_backward")
)

var _ layers.DeviceLayer = (*l1Loss)(nil)

// ForwardDevice computes the loss.
func (l *l1Loss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := errors.Join(l.signOnDevice.ReshapeLike(bottom[0]), l.diffOnDevice.ReshapeLike(bottom[0])); err != nil {
		return err
	}
	n, absolute, loss := bottom[0].Count(), l.diffOnDevice.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Launch(l1LossForward, cuda.Each(n), bottom[0].DeviceData(d), bottom[1].DeviceData(d), l.signOnDevice.MutableDeviceData(d), absolute, n)
	d.ChannelSum(1, 1, n, absolute, 0, loss)
	d.Scale(1, 1/float32(bottom[0].Num()), loss, loss)
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *l1Loss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	n, scale := bottom[0].Count(), 1/float32(bottom[0].Num())
	for i, b := range bottom {
		if propagateDown[i] {
			d.Launch(l1LossBackward, cuda.Each(n), l.signOnDevice.DeviceData(d), top[0].DeviceDiff(d), scale, b.MutableDeviceDiff(d), n)
		}
		scale = -scale
	}
	return nil
}
