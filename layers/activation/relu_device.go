package activation

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed relu.ptx.gz
var reluPTX string

var (
	reluKernels  = cuda.NewModule(reluPTX)
	reluForward  = reluKernels.Kernel("relu_forward")
	reluBackward = reluKernels.Kernel("relu_backward")
)

var _ layers.DeviceLayer = (*relu)(nil)

// ForwardDevice computes the top.
func (l *relu) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := bottom[0].Count()
	d.Launch(reluForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.slope, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *relu) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if n := bottom[0].Count(); propagateDown[0] {
		d.Launch(reluBackward, cuda.Each(n), bottom[0].DeviceData(d), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), l.slope, n)
	}
	return nil
}
