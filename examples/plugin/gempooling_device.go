package gempooling

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

// The layer on a GPU. gocaffe's docs/gpu.md explains how that works.

//go:generate sh -c "clang++-16 -x cuda --cuda-device-only --cuda-gpu-arch=sm_70 --cuda-feature=+ptx70 -nocudainc -nocudalib -fdeclspec -std=c++17 -O3 -I$(go list -m -f {{.Dir}} github.com/gocaffe/gocaffe)/cuda/kernel -S -o - gempooling.cu | gzip -9nc >gempooling.ptx.gz"

//go:embed gempooling.ptx.gz
var ptx string

var (
	kernels        = cuda.NewModule(ptx)
	kernelForward  = kernels.Kernel("gempooling_forward")
	kernelExponent = kernels.Kernel("gempooling_exponent")
	kernelBackward = kernels.Kernel("gempooling_backward")
)

var _ layers.DeviceLayer = (*gemPooling)(nil)

// device is what the layer keeps on a GPU.
type device struct {
	layers.OnRecordableDevice // each pass launches the same kernels with the same arguments

	m     blob.Blob // the means; ForwardDevice keeps them for BackwardDevice
	slope blob.Blob // dy/dp
}

// ForwardDevice computes the top.
func (l *gemPooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.device.m.ReshapeLike(top[0]); err != nil {
		return err
	}
	g, n := &l.window, top[0].Count()
	d.Launch(kernelForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.StrideH,
		bottom[0].DeviceData(d), l.Blobs[0].DeviceData(d), l.options.Eps,
		l.device.m.MutableDeviceData(d), top[0].MutableDeviceData(d), n)
	return nil
}

// BackwardDevice adds to the diff of the exponent and computes that of the bottom.
func (l *gemPooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	g, x, p := &l.window, bottom[0].DeviceData(d), l.Blobs[0].DeviceData(d)
	m, y, dy := l.device.m.DeviceData(d), top[0].DeviceData(d), top[0].DeviceDiff(d)
	if l.Needs(0) {
		if err := l.device.slope.ReshapeLike(top[0]); err != nil {
			return err
		}
		n, slope := top[0].Count(), l.device.slope.MutableDeviceData(d)
		d.Launch(kernelExponent, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.StrideH,
			x, p, l.options.Eps, m, y, slope, n)
		d.ChannelDot(1, 1, n, dy, slope, 1, l.Blobs[0].MutableDeviceDiff(d))
	}
	if n := bottom[0].Count(); propagateDown[0] {
		d.Launch(kernelBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.StrideH,
			x, p, l.options.Eps, m, y, dy, bottom[0].MutableDeviceDiff(d), n)
	}
	return nil
}
