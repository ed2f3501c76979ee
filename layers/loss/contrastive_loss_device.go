package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed contrastive_loss.ptx.gz
var contrastiveLossPTX string

var (
	contrastiveLossKernels  = cuda.NewModule(contrastiveLossPTX)
	contrastiveLossPairs    = contrastiveLossKernels.Kernel("contrastive_loss_pairs")
	contrastiveLossBackward = contrastiveLossKernels.Kernel("contrastive_loss_backward")
)

var _ layers.DeviceLayer = (*contrastiveLoss)(nil)

// ForwardDevice computes the top.
func (l *contrastiveLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	diff, terms, loss := l.diff.MutableDeviceData(d), l.terms.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Launch(lossDifference, cuda.Each(l.n*l.c), bottom[0].DeviceData(d), bottom[1].DeviceData(d), diff, l.n*l.c)
	d.ChannelDot(1, l.n, l.c, diff, diff, 0, terms)
	d.Launch(contrastiveLossPairs, cuda.Each(l.n), bottom[2].DeviceData(d), l.margin, l.legacy, terms, l.factor.MutableDeviceData(d), l.n)
	d.ChannelSum(1, 1, l.n, terms, 0, loss)
	d.Scale(1, 1/float32(2*l.n), loss, loss)
	return nil
}

// BackwardDevice computes the diffs of the vectors.
func (l *contrastiveLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 2); err != nil {
		return err
	}
	scale := 1 / float32(l.n)
	for i, x := range bottom[:2] {
		if propagateDown[i] {
			d.Launch(contrastiveLossBackward, cuda.Each(l.n*l.c), l.diff.DeviceData(d), l.factor.DeviceData(d), top[0].DeviceDiff(d),
				scale, x.MutableDeviceDiff(d), l.c, l.n*l.c)
		}
		scale = -scale
	}
	return nil
}
