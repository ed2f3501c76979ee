package mobile

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed curve.ptx.gz
var curvePTX string

var curveKernels = cuda.NewModule(curvePTX)

// passes are the kernels of a curve.
type passes struct{ forward, backward *cuda.Kernel }

// passesOf returns the kernels of curve.cu whose names begin with name.
func passesOf(name string) passes {
	return passes{curveKernels.Kernel(name + "_forward"), curveKernels.Kernel(name + "_backward")}
}

var _ layers.DeviceLayer = (*curve)(nil)

// ForwardDevice computes the top.
func (l *curve) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if l.keep && bottom[0] == top[0] {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	n := bottom[0].Count()
	d.Launch(l.kernels.forward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.option, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *curve) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		n := bottom[0].Count()
		d.Launch(l.kernels.backward, cuda.Each(n), l.from(bottom[0], top[0]).DeviceData(d), top[0].DeviceDiff(d),
			bottom[0].MutableDeviceDiff(d), l.option, n)
	}
	return nil
}
