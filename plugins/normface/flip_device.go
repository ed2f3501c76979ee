package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed flip.ptx.gz
var flipPTX string

var (
	flipKernels = cuda.NewModule(flipPTX)
	flipPass    = flipKernels.Kernel("flip_pass")
)

var _ layers.DeviceLayer = (*flip)(nil)

// ForwardDevice computes the top.
func (l *flip) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.flipDevice(d, top[0].MutableDeviceData(d), bottom[0].DeviceData(d))
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *flip) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.flipDevice(d, bottom[0].MutableDeviceDiff(d), top[0].DeviceDiff(d))
	}
	return nil
}

func (l *flip) flipDevice(d *cuda.Device, dst, src cuda.Ptr) {
	n := l.planes * l.h * l.w
	d.Launch(flipPass, cuda.Each(n), src, dst, l.options.Width, l.options.Height, l.h, l.w, n)
}
