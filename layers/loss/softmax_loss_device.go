package loss

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	_ layers.DeviceLayer   = (*softmaxWithLoss)(nil)
	_ layers.DeviceChecker = (*softmaxWithLoss)(nil)
)

// ForwardDevice computes the tops.
func (l *softmaxWithLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	_, prob := l.beginDevice(d, bottom)
	l.loss.ForwardDevice(d, prob, top[0].MutableDeviceData(d))
	return l.endDevice(top)
}

// BackwardDevice computes the diff of the scores.
func (l *softmaxWithLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	l.loss.Weights().ReadDevice(bottom)
	l.loss.BackwardDevice(d, l.prob.DeviceData(d), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
	return nil
}
