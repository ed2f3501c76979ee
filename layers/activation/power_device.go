package activation

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed power.ptx.gz
var powerPTX string

var (
	powerKernels  = cuda.NewModule(powerPTX)
	powerForward  = powerKernels.Kernel("power_forward")
	powerBackward = powerKernels.Kernel("power_backward")
)

var _ layers.DeviceLayer = (*power)(nil)

// ForwardDevice computes the top.
func (l *power) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if l.KeepsBottom() && bottom[0] == top[0] {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	n, y := top[0].Count(), top[0].MutableDeviceData(d)
	if l.constant() {
		d.Fill(n, l.constantValue(), y)
		return nil
	}
	d.Launch(powerForward, cuda.Each(n), bottom[0].DeviceData(d), y, l.power, l.scale, l.shift, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *power) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	n, dx, dy := bottom[0].Count(), bottom[0].MutableDeviceDiff(d), top[0].DeviceDiff(d)
	switch {
	case l.constant():
		d.Zero(n, dx)
	case l.power == 1:
		d.Scale(n, l.scale, dy, dx)
	default:
		d.Launch(powerBackward, cuda.Each(n), l.from(bottom[0], top[0]).DeviceData(d), top[0].DeviceData(d), dy, dx, l.power, l.scale, l.shift, n)
	}
	return nil
}
