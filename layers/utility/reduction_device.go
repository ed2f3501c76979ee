package utility

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed reduction.ptx.gz
var reductionPTX string

var (
	reductionKernels  = cuda.NewModule(reductionPTX)
	reductionAbs      = reductionKernels.Kernel("reduction_abs")
	reductionBackward = reductionKernels.Kernel("reduction_backward")
)

var _ layers.DeviceLayer = (*reduction)(nil)

// ForwardDevice computes the top.
func (l *reduction) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	x, y := bottom[0].DeviceData(d), top[0].MutableDeviceData(d)
	switch l.op {
	case caffepb.ReductionParameter_ASUM:
		if err := l.abs.ReshapeLike(bottom[0]); err != nil {
			return err
		}
		abs := l.abs.MutableDeviceData(d)
		d.Launch(reductionAbs, cuda.Each(bottom[0].Count()), x, abs, bottom[0].Count())
		d.ChannelSum(1, l.rows, l.width, abs, 0, y)
	case caffepb.ReductionParameter_SUMSQ:
		d.ChannelDot(1, l.rows, l.width, x, x, 0, y)
	default:
		d.ChannelSum(1, l.rows, l.width, x, 0, y)
	}
	if l.factor != 1 {
		d.Scale(l.rows, l.factor, y, y)
	}
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *reduction) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	x, op := cuda.Ptr(0), 1
	switch l.op {
	case caffepb.ReductionParameter_ASUM:
		x, op = bottom[0].DeviceData(d), 2
	case caffepb.ReductionParameter_SUMSQ:
		x, op = bottom[0].DeviceData(d), 3
	}
	mul, shift := cuda.Divisor(max(1, l.width))
	n := bottom[0].Count()
	d.Launch(reductionBackward, cuda.Each(n), x, top[0].DeviceDiff(d), op, l.factor, bottom[0].MutableDeviceDiff(d), n, mul, shift)
	return nil
}
