package mobile

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var seluDropoutForward = mobileKernels.Kernel("selu_dropout_forward")

var _ layers.DeviceLayer = (*seluDropout)(nil)

// ForwardDevice computes the top.
func (l *seluDropout) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, x := bottom[0].Count(), bottom[0].DeviceData(d)
	if !l.train {
		d.Copy(n, x, top[0].MutableDeviceData(d))
		return nil
	}
	mask := l.maskOnDevice.MutableDeviceData(d)
	d.DropoutMask(n, l.rand.Key(), l.env.DeviceStream(), l.ratio, l.factor, mask)
	d.Launch(seluDropoutForward, cuda.Each(n), x, mask, top[0].MutableDeviceData(d), l.factor, l.shift, l.dropped, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *seluDropout) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	n, dy, dx := top[0].Count(), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d)
	if !l.train {
		d.Copy(n, dy, dx)
		return nil
	}
	d.Mul(n, dy, l.maskOnDevice.DeviceData(d), dx)
	return nil
}
