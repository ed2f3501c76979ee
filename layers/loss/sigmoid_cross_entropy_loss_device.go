package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed sigmoid_cross_entropy_loss.ptx.gz
var sigmoidCrossEntropyLossPTX string

var (
	sigmoidCrossEntropyLossKernels  = cuda.NewModule(sigmoidCrossEntropyLossPTX)
	sigmoidCrossEntropyLossTerms    = sigmoidCrossEntropyLossKernels.Kernel("sigmoid_cross_entropy_loss_terms")
	sigmoidCrossEntropyLossBackward = sigmoidCrossEntropyLossKernels.Kernel("sigmoid_cross_entropy_loss_backward")
)

var _ layers.DeviceLayer = (*sigmoidCrossEntropyLoss)(nil)

// deviceIgnore returns the label that does not count, as arguments of the kernels.
func (l *sigmoidCrossEntropyLoss) deviceIgnore() (has bool, label int32) {
	if l.ignore == nil {
		return false, 0
	}
	return true, *l.ignore
}

// deviceNormalizer returns the normalizer, or 0 if it is the number of scores that count,
// which only the device knows.
func (l *sigmoidCrossEntropyLoss) deviceNormalizer() float32 {
	if l.ignore == nil {
		return l.norm.Normalizer(l.outer, l.inner, l.outer*l.inner)
	}
	return l.norm.DeviceNormalizer(l.outer, l.inner)
}

// ForwardDevice computes the top.
func (l *sigmoidCrossEntropyLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, terms, valid, loss := bottom[0].Count(), l.terms.MutableDeviceData(d), l.count.MutableDeviceData(d), top[0].MutableDeviceData(d)
	has, ignore := l.deviceIgnore()
	d.Zero(1, valid)
	d.Launch(sigmoidCrossEntropyLossTerms, cuda.Each(n), bottom[0].DeviceData(d), bottom[1].DeviceData(d), has, ignore, terms, valid, n)
	l.weights.ReadDevice(bottom)
	l.weights.ApplyDevice(d, 0, 1, l.channels, l.channel, n, terms)
	layers.MeanDevice(d, n, terms, l.deviceNormalizer(), valid, loss)
	return nil
}

// BackwardDevice computes the diff of the scores.
func (l *sigmoidCrossEntropyLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	n := bottom[0].Count()
	has, ignore := l.deviceIgnore()
	dx := bottom[0].MutableDeviceDiff(d)
	d.Launch(sigmoidCrossEntropyLossBackward, cuda.Each(n), bottom[0].DeviceData(d), bottom[1].DeviceData(d), has, ignore,
		top[0].DeviceDiff(d), l.deviceNormalizer(), l.count.DeviceData(d), dx, n)
	l.weights.ReadDevice(bottom)
	l.weights.ApplyDevice(d, 0, 1, l.channels, l.channel, n, dx)
	return nil
}
