package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed label_specific_rescale.ptx.gz
var labelSpecificRescalePTX string

var (
	labelSpecificRescaleKernels  = cuda.NewModule(labelSpecificRescalePTX)
	labelSpecificRescaleForward  = labelSpecificRescaleKernels.Kernel("label_specific_rescale_forward")
	labelSpecificRescaleBackward = labelSpecificRescaleKernels.Kernel("label_specific_rescale_backward")
)

var _ layers.DeviceLayer = (*labelSpecificRescale)(nil)

// ForwardDevice computes the tops.
func (l *labelSpecificRescale) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class, _ := l.labels.ReadDevice(d, bottom[1])
	w := l.weight()
	if len(top) == 2 {
		d.Fill(1, w, top[1].MutableDeviceData(d))
	}
	x, y, n := bottom[0].DeviceData(d), top[0].MutableDeviceData(d), bottom[0].Count()
	if l.idle() {
		d.Copy(n, x, y)
		return nil
	}
	o := &l.options
	d.Launch(labelSpecificRescaleForward, cuda.Each(n), x, class, y, l.onDevice.MutableDeviceData(d), w, o.Negative,
		o.ForIP, o.Raise, o.BiasFix, l.labels.Classes, n)
	return nil
}

// BackwardDevice multiplies the diff by the derivatives.
func (l *labelSpecificRescale) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	dy, dx, n := top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), bottom[0].Count()
	if l.idle() {
		d.Copy(n, dy, dx)
		return nil
	}
	class, _ := l.labels.OnDevice(d)
	d.Launch(labelSpecificRescaleBackward, cuda.Each(n), dy, class, l.onDevice.DeviceData(d), dx, l.options.Negative,
		l.labels.Classes, n)
	return nil
}
