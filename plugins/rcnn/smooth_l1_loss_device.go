package rcnn

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed smooth_l1_loss.ptx.gz
var smoothL1LossPTX string

var (
	smoothL1LossKernels  = cuda.NewModule(smoothL1LossPTX)
	smoothL1LossForward  = smoothL1LossKernels.Kernel("rcnn_smooth_l1_loss_forward")
	smoothL1LossPlaces   = smoothL1LossKernels.Kernel("rcnn_smooth_l1_loss_places")
	smoothL1LossBackward = smoothL1LossKernels.Kernel("rcnn_smooth_l1_loss_backward")
)

var _ layers.DeviceLayer = (*smoothL1Loss)(nil)

// ForwardDevice computes the tops.
func (l *smoothL1Loss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	var inside, outside cuda.Ptr
	if len(bottom) > 2 {
		inside = bottom[2].DeviceData(d)
	}
	if len(bottom) > 3 {
		outside = bottom[3].DeviceData(d)
	}
	ohem := 0
	if l.ohem {
		ohem = 1
	}
	x := bottom[0]
	n, terms, loss := x.Count(), l.terms.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Launch(smoothL1LossForward, cuda.Each(n), x.DeviceData(d), bottom[1].DeviceData(d), inside, outside,
		l.sigma2, 1/float64(l.sigma2), ohem, terms, l.onDevice.MutableDeviceData(d), n)
	d.ChannelSum(1, 1, n, terms, 0, loss)
	d.Scale(1, 1/l.normalizer(x), loss, loss)
	if len(top) > 1 {
		n, channels := top[1].Count(), 1
		if x.Axes() > 1 {
			channels = x.Dim(1)
		}
		d.Launch(smoothL1LossPlaces, cuda.Each(n), terms, channels, places(x), top[1].MutableDeviceData(d), n)
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *smoothL1Loss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	n, scale := bottom[0].Count(), 1/l.normalizer(bottom[0])
	for i, b := range bottom[:2] {
		if propagateDown[i] {
			d.Launch(smoothL1LossBackward, cuda.Each(n), l.onDevice.DeviceData(d), top[0].DeviceDiff(d), scale, b.MutableDeviceDiff(d), n)
		}
		scale = -scale
	}
	clearDiffsDevice(d, propagateDown, bottom, 2)
	return nil
}
