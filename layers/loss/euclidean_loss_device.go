package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed euclidean_loss.ptx.gz
var euclideanLossPTX string

var (
	euclideanLossKernels  = cuda.NewModule(euclideanLossPTX)
	euclideanLossBackward = euclideanLossKernels.Kernel("euclidean_loss_backward")
)

var _ layers.DeviceLayer = (*euclideanLoss)(nil)

// ForwardDevice computes the top.
func (l *euclideanLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.onDevice.ReshapeLike(bottom[0]); err != nil {
		return err
	}
	n, diff, loss := bottom[0].Count(), l.onDevice.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Launch(lossDifference, cuda.Each(n), bottom[0].DeviceData(d), bottom[1].DeviceData(d), diff, n)
	d.ChannelDot(1, 1, n, diff, diff, 0, loss)
	d.Scale(1, 1/float32(2*bottom[0].Num()), loss, loss)
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *euclideanLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	n, scale := bottom[0].Count(), 1/float32(bottom[0].Num())
	for i, b := range bottom {
		if propagateDown[i] {
			d.Launch(euclideanLossBackward, cuda.Each(n), l.onDevice.DeviceData(d), top[0].DeviceDiff(d), scale, b.MutableDeviceDiff(d), n)
		}
		scale = -scale
	}
	return nil
}
