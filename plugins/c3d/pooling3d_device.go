package c3d

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed pooling3d.ptx.gz
var poolingPTX string

var (
	poolingKernels  = cuda.NewModule(poolingPTX)
	poolingForward  = poolingKernels.Kernel("pooling3d_forward")
	poolingBackward = poolingKernels.Kernel("pooling3d_backward")
)

var _ layers.DeviceLayer = (*pooling)(nil)

// launch runs a kernel, which has one thread for each of n elements.
func (l *pooling) launch(d *cuda.Device, k *cuda.Kernel, from, to, mask cuda.Ptr, n int) {
	ave := 0
	if l.ave {
		ave = 1
	}
	d.Launch(k, cuda.Each(n), from, to, mask, ave, l.in[0], l.in[1], l.in[2], l.out[0], l.out[1], l.out[2],
		l.kernel[0], l.kernel[1], l.stride[0], l.stride[1], l.pad[1], n)
}

// ForwardDevice computes the top.
func (l *pooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.launch(d, poolingForward, bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.onDevice.MutableDeviceData(d), top[0].Count())
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *pooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.launch(d, poolingBackward, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), l.onDevice.DeviceData(d), bottom[0].Count())
	}
	return nil
}
