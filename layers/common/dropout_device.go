package common

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed dropout.ptx.gz
var dropoutPTX string

var (
	dropoutKernels  = cuda.NewModule(dropoutPTX)
	dropoutForward  = dropoutKernels.Kernel("dropout_forward")
	dropoutBackward = dropoutKernels.Kernel("dropout_backward")
)

var _ layers.DeviceLayer = (*dropout)(nil)

// limits returns the random word below which an element is dropped, and the factor of
// the other elements.
func (l *dropout) limits() (limit uint32, scale float32) {
	return uint32(float64(l.ratio) * 0x1p32), l.kept
}

// ForwardDevice computes the top.
func (l *dropout) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, x := bottom[0].Count(), bottom[0].DeviceData(d)
	if !l.drops {
		l.passDevice(d, n, x, top[0].MutableDeviceData(d))
		return nil
	}
	limit, scale := l.limits()
	d.Launch(dropoutForward, cuda.Each((n+3)/4), x, top[0].MutableDeviceData(d), l.rand.Key(),
		l.env.DeviceStream(), l.stream.MutableDeviceData(d), limit, scale, n)
	return nil
}

// passDevice is pass on a device.
func (l *dropout) passDevice(d *cuda.Device, n int, x, y cuda.Ptr) {
	if l.test != 1 {
		d.Scale(n, l.test, x, y)
		return
	}
	d.Copy(n, x, y)
}

// BackwardDevice computes the diff of the bottom.
func (l *dropout) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	n, dy := top[0].Count(), top[0].DeviceDiff(d)
	if !l.drops {
		l.passDevice(d, n, dy, bottom[0].MutableDeviceDiff(d))
		return nil
	}
	limit, scale := l.limits()
	d.Launch(dropoutBackward, cuda.Each((n+3)/4), dy, bottom[0].MutableDeviceDiff(d), l.rand.Key(),
		l.stream.DeviceData(d), limit, scale, n)
	return nil
}
