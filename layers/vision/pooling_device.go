package vision

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed pooling.ptx.gz
var poolingPTX string

var (
	poolingKernels     = cuda.NewModule(poolingPTX)
	poolingMaxForward  = poolingKernels.Kernel("pooling_max_forward")
	poolingMaxBackward = poolingKernels.Kernel("pooling_max_backward")
	poolingAveForward  = poolingKernels.Kernel("pooling_ave_forward")
	poolingAveBackward = poolingKernels.Kernel("pooling_ave_backward")
)

var _ layers.DeviceLayer = (*pooling)(nil)

// ForwardDevice computes the tops.
func (l *pooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	g, n, x, y := &l.g, top[0].Count(), bottom[0].DeviceData(d), top[0].MutableDeviceData(d)
	if !l.max {
		d.Launch(poolingAveForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, x, y, n)
		return nil
	}
	if err := l.onDevice.ReshapeLike(top[0]); err != nil {
		return err
	}
	mask := cuda.Ptr(0)
	if len(top) > 1 {
		mask = top[1].MutableDeviceData(d)
	}
	d.Launch(poolingMaxForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
		g.StrideH, g.StrideW, x, y, l.onDevice.MutableDeviceData(d), mask, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *pooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	g, n, dy, dx := &l.g, bottom[0].Count(), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d)
	if l.max {
		d.Launch(poolingMaxBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, dy, l.onDevice.DeviceData(d), dx, n)
	} else {
		d.Launch(poolingAveBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, dy, dx, n)
	}
	return nil
}
