package centerloss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed center_loss.ptx.gz
var ptx string

var (
	kernels        = cuda.NewModule(ptx)
	kernelForward  = kernels.Kernel("center_loss_forward")
	kernelBackward = kernels.Kernel("center_loss_backward")
	kernelCenters  = kernels.Kernel("center_loss_centers")
)

var (
	_ layers.DeviceLayer   = (*centerLoss)(nil)
	_ layers.DeviceChecker = (*centerLoss)(nil)
)

// onDevice holds the layer's data on a device.
type onDevice struct {
	distance blob.Blob // x - c, (m,k)
	terms    blob.Blob // of the loss, (m)
}

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *centerLoss) CheckDevice() error { return l.labels.CheckDevice() }

// ForwardDevice computes the loss.
func (l *centerLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class, _ := l.labels.ReadDevice(d, bottom[1])
	terms := l.device.terms.MutableDeviceData(d)
	d.Launch(kernelForward, cuda.Blocks(l.m, 1, 1), bottom[0].DeviceData(d), l.Blobs[0].DeviceData(d), class,
		l.device.distance.MutableDeviceData(d), terms, l.l1(), l.k, l.m)
	d.ChannelSum(1, 1, l.m, terms, 0, top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of x and adds to that of the centers.
func (l *centerLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	distance := l.device.distance.DeviceData(d)
	if l.Needs(0) {
		class, _ := l.labels.OnDevice(d)
		d.Launch(kernelCenters, cuda.Blocks(l.m, 1, 1), distance, class, l.Blobs[0].MutableDeviceDiff(d), l.l1(), l.k, l.m)
	}
	if propagateDown[0] {
		d.Launch(kernelBackward, cuda.Each(l.m*l.k), distance, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), l.l1(), l.m, l.m*l.k)
	}
	return nil
}
