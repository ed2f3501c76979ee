package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed softmax_loss.ptx.gz
var softmaxLossPTX string

var (
	softmaxLossKernels  = cuda.NewModule(softmaxLossPTX)
	softmaxLossTerms    = softmaxLossKernels.Kernel("softmax_loss_terms")
	softmaxLossTop      = softmaxLossKernels.Kernel("softmax_loss_top")
	softmaxLossBackward = softmaxLossKernels.Kernel("softmax_loss_backward")
)

// ForwardDevice computes the tops.
func (l *softmaxWithLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	outer, classes, inner := l.labels.Outer, l.labels.Classes, l.labels.Inner
	n, loss := outer*inner, top[0].MutableDeviceData(d)
	class, valid := l.labels.ReadDevice(d, bottom[1])
	d.Softmax(outer, classes, inner, bottom[0].DeviceData(d), l.prob.MutableDeviceData(d))
	d.Launch(softmaxLossTerms, cuda.Each(n), l.prob.DeviceData(d), class, l.terms.MutableDeviceData(d), classes, inner, n)
	d.ChannelSum(1, 1, n, l.terms.DeviceData(d), 0, loss)
	d.Launch(softmaxLossTop, cuda.Each(1), loss, l.norm.DeviceNormalizer(outer, inner), valid)
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

// CheckDevice returns an error if a label was not that of a class.
func (l *softmaxWithLoss) CheckDevice() error { return l.labels.CheckDevice() }

// BackwardDevice computes the diff of the scores.
func (l *softmaxWithLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] {
		return nil
	}
	outer, classes, inner := l.labels.Outer, l.labels.Classes, l.labels.Inner
	class, valid := l.labels.OnDevice(d)
	n := bottom[0].Count()
	d.Launch(softmaxLossBackward, cuda.Each(n), l.prob.DeviceData(d), class, top[0].DeviceDiff(d),
		l.norm.DeviceNormalizer(outer, inner), valid, bottom[0].MutableDeviceDiff(d), classes, inner, n)
	return nil
}
