package yolo

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed upsample.ptx.gz
var upsamplePTX string

var (
	upsampleKernels = cuda.NewModule(upsamplePTX)
	forwardKernel   = upsampleKernels.Kernel("yolo_upsample_forward")
	backwardKernel  = upsampleKernels.Kernel("yolo_upsample_backward")
)

var _ layers.DeviceLayer = (*upsample)(nil)

// ForwardDevice computes the top.
func (l *upsample) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := top[0].Count()
	d.Launch(forwardKernel, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), bottom[0].Dim(3), l.scale, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *upsample) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		n := bottom[0].Count()
		d.Launch(backwardKernel, cuda.Each(n), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), bottom[0].Dim(3), l.scale, n)
	}
	return nil
}
