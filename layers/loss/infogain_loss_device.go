package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed infogain_loss.ptx.gz
var infogainLossPTX string

var (
	infogainLossKernels  = cuda.NewModule(infogainLossPTX)
	infogainLossRows     = infogainLossKernels.Kernel("infogain_loss_rows")
	infogainLossTerms    = infogainLossKernels.Kernel("infogain_loss_terms")
	infogainLossBackward = infogainLossKernels.Kernel("infogain_loss_backward")
)

var (
	_ layers.DeviceLayer   = (*infogainLoss)(nil)
	_ layers.DeviceChecker = (*infogainLoss)(nil)
)

// ForwardDevice computes the tops.
func (l *infogainLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class, prob := l.beginDevice(d, bottom)
	n, terms := l.terms.Count(), l.terms.MutableDeviceData(d)
	d.Launch(infogainLossTerms, cuda.Each(n), prob, class, l.matrixOf(bottom).DeviceData(d),
		float32(leastProbability), terms, l.labels.Classes, l.labels.Inner, n)
	l.loss.MeanDevice(d, n, terms, top[0].MutableDeviceData(d))
	return l.endDevice(top)
}

// BackwardDevice computes the diff of the scores.
func (l *infogainLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	h, classes := l.matrixOf(bottom).DeviceData(d), l.labels.Classes
	d.Launch(infogainLossRows, cuda.Each(classes), h, l.rows.MutableDeviceData(d), classes)
	class, valid := l.labels.OnDevice(d)
	n := bottom[0].Count()
	d.Launch(infogainLossBackward, cuda.Each(n), l.prob.DeviceData(d), class, h, l.rows.DeviceData(d), top[0].DeviceDiff(d),
		l.loss.DeviceNormalizer(), valid, bottom[0].MutableDeviceDiff(d), classes, l.labels.Inner, n)
	return nil
}
