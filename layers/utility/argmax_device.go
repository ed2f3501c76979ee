package utility

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed argmax.ptx.gz
var argmaxPTX string

var (
	argmaxKernels = cuda.NewModule(argmaxPTX)
	argmaxForward = argmaxKernels.Kernel("argmax_forward")
)

var _ layers.DeviceLayer = (*argMax)(nil)

// DeviceMode returns OnHost if a search has several results, else Recordable.
func (l *argMax) DeviceMode() layers.DeviceMode {
	if l.topK > 1 {
		return layers.OnHost
	}
	return layers.Recordable
}

// ForwardDevice computes the top.
func (l *argMax) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, y := l.outer*l.inner, top[0].MutableDeviceData(d)
	index, value, step := y, cuda.Ptr(0), 1
	switch {
	case l.values && l.hasAxis:
		index, value = 0, y
	case l.values:
		value, step = y.At(1), 2
	}
	d.Launch(argmaxForward, cuda.Each(n), bottom[0].DeviceData(d), index, value, step, l.n, l.inner, n)
	return nil
}

// BackwardDevice fails as Backward does.
func (l *argMax) BackwardDevice(ctx context.Context, _ *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.Backward(ctx, top, propagateDown, bottom)
}
