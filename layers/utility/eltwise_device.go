package utility

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed eltwise.ptx.gz
var eltwisePTX string

var (
	eltwiseKernels          = cuda.NewModule(eltwisePTX)
	eltwiseMax              = eltwiseKernels.Kernel("eltwise_max")
	eltwiseMaxNext          = eltwiseKernels.Kernel("eltwise_max_next")
	eltwiseMaxBackward      = eltwiseKernels.Kernel("eltwise_max_backward")
	eltwiseQuotientBackward = eltwiseKernels.Kernel("eltwise_quotient_backward")
)

var _ layers.DeviceLayer = (*eltwise)(nil)

// ForwardDevice computes the top.
func (l *eltwise) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, y := top[0].Count(), top[0].MutableDeviceData(d)
	a, b := bottom[0].DeviceData(d), bottom[1].DeviceData(d)
	switch {
	case l.op == caffepb.EltwiseParameter_MAX:
		if err := l.onDevice.ReshapeLike(top[0]); err != nil {
			return err
		}
		largest := l.onDevice.MutableDeviceData(d)
		d.Launch(eltwiseMax, cuda.Each(n), a, b, y, largest, n)
		for i, x := range bottom[2:] {
			d.Launch(eltwiseMaxNext, cuda.Each(n), x.DeviceData(d), 2+i, y, largest, n)
		}
	case l.op == caffepb.EltwiseParameter_PROD:
		d.Mul(n, a, b, y)
		for _, x := range bottom[2:] {
			d.Mul(n, y, x.DeviceData(d), y)
		}
	default:
		if l.coeff[0] == 1 && l.coeff[1] == 1 {
			d.Add(n, a, b, y)
		} else {
			d.Scale(n, l.coeff[0], a, y)
			d.Axpy(n, l.coeff[1], b, y)
		}
		for i, x := range bottom[2:] {
			d.Axpy(n, l.coeff[2+i], x.DeviceData(d), y)
		}
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *eltwise) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	n, dy := top[0].Count(), top[0].DeviceDiff(d)
	for i, b := range bottom {
		if !propagateDown[i] {
			continue
		}
		dx := b.MutableDeviceDiff(d)
		switch {
		case l.op == caffepb.EltwiseParameter_SUM:
			d.Scale(n, l.coeff[i], dy, dx)
		case l.op == caffepb.EltwiseParameter_MAX:
			d.Launch(eltwiseMaxBackward, cuda.Each(n), dy, l.onDevice.DeviceData(d), i, dx, n)
		case l.stable:
			from := dy // the product of dy and of all bottoms except i
			for j, other := range bottom {
				if j != i {
					d.Mul(n, from, other.DeviceData(d), dx)
					from = dx
				}
			}
		default:
			d.Launch(eltwiseQuotientBackward, cuda.Each(n), b.DeviceData(d), top[0].DeviceData(d), dy, dx, n)
		}
	}
	return nil
}
