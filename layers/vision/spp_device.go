package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*spp)(nil)

// ForwardDevice computes the top.
func (l *spp) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if bottom[0].Count() == 0 {
		return nil
	}
	y, step := top[0].MutableDeviceData(d), top[0].CountFrom(1)
	for i := range l.levels {
		level := &l.levels[i]
		if err := level.forwardDevice(d, bottom[0], &level.y, 0); err != nil {
			return err
		}
		d.CopyRows(bottom[0].Dim(0), level.width, level.y.DeviceData(d), level.width, y, step)
		y = y.At(level.width)
	}
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *spp) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] || bottom[0].Count() == 0 {
		return nil
	}
	dy, step, n, dx := top[0].DeviceDiff(d), top[0].CountFrom(1), bottom[0].Count(), bottom[0].MutableDeviceDiff(d)
	for i := range l.levels {
		level := &l.levels[i]
		d.CopyRows(bottom[0].Dim(0), level.width, dy, step, level.y.MutableDeviceDiff(d), level.width)
		dy = dy.At(level.width)
		if i == 0 {
			level.backwardDevice(d, bottom[0], &level.y, n, dx)
			continue
		}
		grad := l.grad.MutableDeviceData(d)
		level.backwardDevice(d, bottom[0], &level.y, n, grad)
		d.Axpy(n, 1, grad, dx)
	}
	return nil
}
