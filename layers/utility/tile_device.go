package utility

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed tile.ptx.gz
var tilePTX string

var (
	tileKernels  = cuda.NewModule(tilePTX)
	tileForward  = tileKernels.Kernel("tile_forward")
	tileBackward = tileKernels.Kernel("tile_backward")
)

var _ layers.DeviceLayer = (*tile)(nil)

// ForwardDevice computes the top.
func (l *tile) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	return l.launch(d, tileForward, top[0].Count(), bottom[0].DeviceData(d), top[0].MutableDeviceData(d))
}

// BackwardDevice computes the diff of the bottom.
func (l *tile) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	return l.launch(d, tileBackward, bottom[0].Count(), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
}

// launch starts a kernel that writes n elements.
func (l *tile) launch(d *cuda.Device, k *cuda.Kernel, n int, from, to cuda.Ptr) error {
	mul, shift := cuda.Divisor(max(1, l.inner))
	d.Launch(k, cuda.Each(n), from, to, l.inner, l.tiles, n, mul, shift)
	return nil
}
