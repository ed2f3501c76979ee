package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed softmax_loss.ptx.gz
var softmaxLossPTX string

var (
	softmaxLossKernels  = cuda.NewModule(softmaxLossPTX)
	softmaxLossBackward = softmaxLossKernels.Kernel("softmax_loss_backward")
)

var (
	_ layers.DeviceLayer   = (*softmaxWithLoss)(nil)
	_ layers.DeviceChecker = (*softmaxWithLoss)(nil)
)

// ForwardDevice computes the tops.
func (l *softmaxWithLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class, n := l.beginDevice(d, bottom), l.terms.Count()
	d.Launch(lossLogTerms, cuda.Each(n), l.prob.DeviceData(d), class, float32(0x1p-126), l.terms.MutableDeviceData(d),
		l.labels.Classes, l.labels.Inner, n)
	return l.endDevice(d, top)
}

// BackwardDevice computes the diff of the scores.
func (l *softmaxWithLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	class, valid := l.labels.OnDevice(d)
	n := bottom[0].Count()
	d.Launch(softmaxLossBackward, cuda.Each(n), l.prob.DeviceData(d), class, top[0].DeviceDiff(d), l.deviceNormalizer(),
		valid, bottom[0].MutableDeviceDiff(d), l.labels.Classes, l.labels.Inner, n)
	return nil
}
