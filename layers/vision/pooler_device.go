package vision

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed pooling.ptx.gz
var poolingPTX string

var (
	poolingKernels       = cuda.NewModule(poolingPTX)
	poolingMaxForward    = poolingKernels.Kernel("pooling_max_forward")
	poolingMaxBackward   = poolingKernels.Kernel("pooling_max_backward")
	poolingAveForward    = poolingKernels.Kernel("pooling_ave_forward")
	poolingAveBackward   = poolingKernels.Kernel("pooling_ave_backward")
	poolingDraw          = poolingKernels.Kernel("pooling_draw")
	poolingWeighForward  = poolingKernels.Kernel("pooling_weigh_forward")
	poolingWeighBackward = poolingKernels.Kernel("pooling_weigh_backward")
)

// forwardDevice computes y from x. maskTop, which may be 0, receives the mask of MAX as
// float32.
func (l *pooler) forwardDevice(d *cuda.Device, x, y *blob.Blob, maskTop cuda.Ptr) error {
	g, n, px, py := &l.g, y.Count(), x.DeviceData(d), y.MutableDeviceData(d)
	if l.method == caffepb.PoolingParameter_MAX || l.draws() {
		if err := l.onDevice.ReshapeLike(y); err != nil {
			return err
		}
	}
	switch {
	case l.method == caffepb.PoolingParameter_MAX:
		d.Launch(poolingMaxForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, px, py, l.onDevice.MutableDeviceData(d), maskTop, n)
	case l.method == caffepb.PoolingParameter_AVE:
		d.Launch(poolingAveForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, px, py, n)
	case l.draws():
		d.Launch(poolingDraw, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, px, l.rand.Key(), l.spec.Env.DeviceStream(), py, l.onDevice.MutableDeviceData(d), n)
	default:
		d.Launch(poolingWeighForward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, px, py, n)
	}
	return nil
}

// backwardDevice computes the n elements of dx from the diff of y and, if the pooler
// weighs, from the data of x and y.
func (l *pooler) backwardDevice(d *cuda.Device, x, y *blob.Blob, n int, dx cuda.Ptr) {
	g, dy := &l.g, y.DeviceDiff(d)
	switch {
	case l.method == caffepb.PoolingParameter_AVE:
		d.Launch(poolingAveBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, dy, dx, n)
	case l.weighs():
		d.Launch(poolingWeighBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, x.DeviceData(d), y.DeviceData(d), dy, dx, n)
	default:
		d.Launch(poolingMaxBackward, cuda.Each(n), g.H, g.W, g.OutH, g.OutW, g.KernelH, g.KernelW, g.PadH, g.PadW,
			g.StrideH, g.StrideW, dy, l.onDevice.DeviceData(d), dx, n)
	}
}
