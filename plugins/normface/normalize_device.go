package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed normalize.ptx.gz
var normalizePTX string

var (
	normalizeKernels  = cuda.NewModule(normalizePTX)
	normalizeForward  = normalizeKernels.Kernel("normalize_forward")
	normalizeBackward = normalizeKernels.Kernel("normalize_backward")
)

var _ layers.DeviceLayer = (*normalize)(nil)

// normBlob returns the blob of the lengths on a device.
func (l *normalize) normBlob(top []*blob.Blob) *blob.Blob {
	if len(top) == 2 {
		return top[1]
	}
	return &l.onDevice
}

// places returns a grid of one warp for each of n positions.
func places(n int) cuda.Grid {
	const warps = cuda.Block / 32
	return cuda.Blocks((n+warps-1)/warps, 1, 1)
}

// ForwardDevice computes the tops.
func (l *normalize) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := l.n * l.s
	d.Launch(normalizeForward, places(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d),
		l.normBlob(top).MutableDeviceData(d), l.options.Type == "L1", l.c, l.s, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *normalize) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	var dnorm cuda.Ptr
	if l.options.BPNorm && len(top) == 2 {
		dnorm = top[1].DeviceDiff(d)
	}
	n := l.n * l.s
	d.Launch(normalizeBackward, places(n), top[0].DeviceData(d), top[0].DeviceDiff(d), l.normBlob(top).DeviceData(d), dnorm,
		bottom[0].MutableDeviceDiff(d), l.options.Type == "L1", l.c, l.s, n)
	return nil
}
