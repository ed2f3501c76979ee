package segmentation

import (
	"context"
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed bn.ptx.gz
var bnPTX string

var (
	bnKernels = cuda.NewModule(bnPTX)
	bnInvert  = bnKernels.Kernel("segnet_bn_invert")
)

var _ layers.DeviceLayer = (*bn)(nil)

// bnDevice is what the layer keeps on a device.
type bnDevice struct{ mean, variance, invstd blob.Blob }

func (b *bnDevice) reshape(c int) error {
	return errors.Join(b.mean.Reshape(c), b.variance.Reshape(c), b.invstd.Reshape(c))
}

// ForwardDevice computes the tops.
func (l *bn) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if l.keeps(bottom[0], top[0]) {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	x, y := bottom[0].DeviceData(d), top[0].MutableDeviceData(d)
	if !l.learn {
		d.ChannelScaleShift(l.n, l.c, l.s, x, l.Blobs[scale].DeviceData(d), l.Blobs[shift].DeviceData(d), y)
		return nil
	}
	b := &l.device
	mean, variance, invstd := b.mean.MutableDeviceData(d), b.variance.MutableDeviceData(d), b.invstd.MutableDeviceData(d)
	d.ChannelStats(l.n, l.c, l.s, x, mean, variance)
	d.Launch(bnInvert, cuda.Each(l.c), variance, bnEps, invstd, l.c)
	d.ChannelNormalize(l.n, l.c, l.s, x, mean, invstd, l.Blobs[scale].DeviceData(d), l.Blobs[shift].DeviceData(d), y)
	if len(top) > 1 {
		d.Copy(l.c, mean, top[1].MutableDeviceData(d))
	}
	if len(top) > 2 {
		d.Copy(l.c, variance, top[2].MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice computes the diff of the bottom and adds to those of the weights.
func (l *bn) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	x, dy, factor := l.x(bottom[0], top[0]).DeviceData(d), top[0].DeviceDiff(d), l.Blobs[scale].DeviceData(d)
	if l.learn {
		var dx, dscale, dshift cuda.Ptr
		if propagateDown[0] {
			dx = bottom[0].MutableDeviceDiff(d)
		}
		if l.Needs(scale) {
			dscale = l.Blobs[scale].MutableDeviceDiff(d)
		}
		if l.Needs(shift) {
			dshift = l.Blobs[shift].MutableDeviceDiff(d)
		}
		d.ChannelNormalizeBackward(l.n, l.c, l.s, x, l.device.mean.DeviceData(d), l.device.invstd.DeviceData(d), factor, dy, dx, dscale, dshift)
		return nil
	}
	if l.Needs(scale) {
		d.ChannelDot(l.n, l.c, l.s, dy, x, 1, l.Blobs[scale].MutableDeviceDiff(d))
	}
	if l.Needs(shift) {
		d.ChannelSum(l.n, l.c, l.s, dy, 1, l.Blobs[shift].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		d.ChannelScaleShift(l.n, l.c, l.s, dy, factor, 0, bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
