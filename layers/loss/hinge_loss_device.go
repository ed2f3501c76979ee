package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed hinge_loss.ptx.gz
var hingeLossPTX string

var (
	hingeLossKernels  = cuda.NewModule(hingeLossPTX)
	hingeLossTerms    = hingeLossKernels.Kernel("hinge_loss_terms")
	hingeLossBackward = hingeLossKernels.Kernel("hinge_loss_backward")
)

var (
	_ layers.DeviceLayer   = (*hingeLoss)(nil)
	_ layers.DeviceChecker = (*hingeLoss)(nil)
)

// ForwardDevice computes the top.
func (l *hingeLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.terms.ReshapeLike(bottom[0]); err != nil {
		return err
	}
	n, terms, loss := bottom[0].Count(), l.terms.MutableDeviceData(d), top[0].MutableDeviceData(d)
	class, _ := l.labels.ReadDevice(d, bottom[1])
	d.Launch(hingeLossTerms, cuda.Each(n), bottom[0].DeviceData(d), class, l.square, terms, l.labels.Classes, n)
	d.ChannelSum(1, 1, n, terms, 0, loss)
	d.Scale(1, 1/float32(bottom[0].Num()), loss, loss)
	return nil
}

// CheckDevice returns an error if a label was out of range.
func (l *hingeLoss) CheckDevice() error { return l.labels.CheckDevice() }

// BackwardDevice computes the diff of the scores.
func (l *hingeLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] {
		return nil
	}
	n, scale := bottom[0].Count(), 1/float32(bottom[0].Num())
	if l.square {
		scale *= 2
	}
	class, _ := l.labels.OnDevice(d)
	d.Launch(hingeLossBackward, cuda.Each(n), bottom[0].DeviceData(d), class, l.square, top[0].DeviceDiff(d), scale,
		bottom[0].MutableDeviceDiff(d), l.labels.Classes, n)
	return nil
}
