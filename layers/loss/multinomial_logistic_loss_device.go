package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed multinomial_logistic_loss.ptx.gz
var multinomialLogisticLossPTX string

var (
	multinomialLogisticLossKernels  = cuda.NewModule(multinomialLogisticLossPTX)
	multinomialLogisticLossBackward = multinomialLogisticLossKernels.Kernel("multinomial_logistic_loss_backward")
)

var (
	_ layers.DeviceLayer   = (*multinomialLogisticLoss)(nil)
	_ layers.DeviceChecker = (*multinomialLogisticLoss)(nil)
)

// ForwardDevice computes the top.
func (l *multinomialLogisticLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.labels.ReadDevice(d, bottom[1])
	n, terms, loss := l.labels.Outer, l.terms.MutableDeviceData(d), top[0].MutableDeviceData(d)
	l.labels.LogTermsDevice(d, 1, bottom[0].DeviceData(d), leastProbability, terms)
	d.ChannelSum(1, 1, n, terms, 0, loss)
	d.Scale(1, 1/float32(bottom[0].Num()), loss, loss)
	return nil
}

// CheckDevice returns an error if a label was out of range.
func (l *multinomialLogisticLoss) CheckDevice() error { return l.labels.CheckDevice() }

// BackwardDevice computes the diff of the probabilities.
func (l *multinomialLogisticLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	class, _ := l.labels.OnDevice(d)
	n := bottom[0].Count()
	d.Launch(multinomialLogisticLossBackward, cuda.Each(n), bottom[0].DeviceData(d), class, float32(leastProbability),
		top[0].DeviceDiff(d), 1/float32(bottom[0].Num()), bottom[0].MutableDeviceDiff(d), l.labels.Classes, n)
	return nil
}
