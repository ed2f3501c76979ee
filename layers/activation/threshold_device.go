package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var thresholdForward = curveKernels.Kernel("threshold_forward")

var _ layers.DeviceLayer = (*threshold)(nil)

// ForwardDevice computes the top.
func (l *threshold) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := bottom[0].Count()
	d.Launch(thresholdForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.threshold, float32(0), float32(0), n)
	return nil
}

// BackwardDevice fails as Backward does.
func (l *threshold) BackwardDevice(ctx context.Context, _ *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.Backward(ctx, top, propagateDown, bottom)
}
