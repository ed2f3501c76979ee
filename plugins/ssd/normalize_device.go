package ssd

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
	normalizeKernels       = cuda.NewModule(normalizePTX)
	normalizePositions     = normalizeKernels.Kernel("ssd_normalize_positions")
	normalizeItems         = normalizeKernels.Kernel("ssd_normalize_items")
	normalizeForwardPass   = normalizeKernels.Kernel("ssd_normalize_forward")
	normalizeBackwardPass  = normalizeKernels.Kernel("ssd_normalize_backward")
	normalizeScaleGradient = normalizeKernels.Kernel("ssd_normalize_scale")
)

var _ layers.DeviceLayer = (*normalize)(nil)

// ForwardDevice computes the top.
func (l *normalize) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	x, norm, n := bottom[0].DeviceData(d), l.normDevice.MutableDeviceData(d), bottom[0].Count()
	l.sumsOnDevice(d, x, x, norm, norm, true)
	d.Launch(normalizeForwardPass, cuda.Each(n), x, norm, l.Blobs[0].DeviceData(d), top[0].MutableDeviceData(d),
		l.options.ChannelShared, l.options.AcrossSpatial, l.c, l.s, n)
	return nil
}

// BackwardDevice computes the gradients of bottom and scale.
func (l *normalize) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	x, dy, norm, n := bottom[0].DeviceData(d), top[0].DeviceDiff(d), l.normDevice.DeviceData(d), bottom[0].Count()
	if l.Needs(0) {
		sums, dscale := l.dscaleDevice.MutableDeviceData(d), l.Blobs[0].MutableDeviceDiff(d)
		d.Launch(normalizeScaleGradient, cuda.Blocks(l.c, 1, 1), x, dy, norm, sums, l.options.AcrossSpatial, l.n, l.c, l.s)
		if l.options.ChannelShared {
			d.ChannelSum(1, 1, l.c, sums, 1, dscale)
		} else {
			d.Axpy(l.c, 1, sums, dscale)
		}
	}
	if propagateDown[0] {
		dot := l.dotDevice.MutableDeviceData(d)
		l.sumsOnDevice(d, x, dy, norm, dot, false)
		d.Launch(normalizeBackwardPass, cuda.Each(n), x, dy, norm, dot, l.Blobs[0].DeviceData(d), bottom[0].MutableDeviceDiff(d),
			l.options.ChannelShared, l.options.AcrossSpatial, l.c, l.s, n)
	}
	return nil
}

// sumsOnDevice sets out to the sum of u v of each place: its root for a length, and
// divided by the square of the length otherwise.
func (l *normalize) sumsOnDevice(d *cuda.Device, u, v, norm, out cuda.Ptr, length bool) {
	if l.options.AcrossSpatial {
		d.Launch(normalizeItems, cuda.Blocks(l.n, 1, 1), u, v, l.options.Eps, length, norm, out, l.c*l.s)
		return
	}
	d.Launch(normalizePositions, cuda.Each(l.places), u, v, l.options.Eps, length, norm, out, l.c, l.s, l.places)
}
