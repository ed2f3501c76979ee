package segmentation

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed upsample.ptx.gz
var upsamplePTX string

var (
	upsampleKernels  = cuda.NewModule(upsamplePTX)
	upsampleChoose   = upsampleKernels.Kernel("upsample_choose")
	upsampleForward  = upsampleKernels.Kernel("upsample_forward")
	upsampleBackward = upsampleKernels.Kernel("upsample_backward")
)

var (
	_ layers.DeviceLayer   = (*upsample)(nil)
	_ layers.DeviceChecker = (*upsample)(nil)
)

// CheckDevice returns an error if a place was outside of its plane.
func (l *upsample) CheckDevice() error { return l.places.CheckDevice() }

// ForwardDevice computes the top.
func (l *upsample) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	place, _ := l.places.ReadDevice(d, bottom[1])
	n, outputs := l.planes*l.in, l.planes*l.out
	if err := l.winners.Reshape(2 * outputs); err != nil {
		return err
	}
	winners := l.winners.MutableDeviceData(d)
	d.Zero(2*outputs, winners)
	d.Launch(upsampleChoose, cuda.Each(n), place, winners, l.in, l.out, n)
	d.Launch(upsampleForward, cuda.Each(outputs), bottom[0].DeviceData(d), winners, top[0].MutableDeviceData(d), outputs)
	return nil
}

// BackwardDevice computes the diff of the first bottom.
func (l *upsample) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[1] {
		d.Zero(bottom[1].Count(), bottom[1].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		place, _ := l.places.OnDevice(d)
		n := l.planes * l.in
		d.Launch(upsampleBackward, cuda.Each(n), top[0].DeviceDiff(d), place, bottom[0].MutableDeviceDiff(d), l.in, l.out, n)
	}
	return nil
}
