package common

import (
	"context"
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed batch_norm.ptx.gz
var batchNormPTX string

var (
	batchNormKernels = cuda.NewModule(batchNormPTX)
	batchNormBatch   = batchNormKernels.Kernel("batch_norm_batch")
	batchNormGlobal  = batchNormKernels.Kernel("batch_norm_global")
)

var _ layers.DeviceLayer = (*batchNorm)(nil)

// batchNormDevice is what a batchNorm keeps on a device.
type batchNormDevice struct {
	mean, variance, invstd blob.Blob // (c)
}

func (b *batchNormDevice) reshape(c int) error {
	return errors.Join(b.mean.Reshape(c), b.variance.Reshape(c), b.invstd.Reshape(c))
}

// ForwardDevice computes the top.
func (l *batchNorm) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if bottom[0].Count() == 0 {
		return nil
	}
	if l.keeps(bottom, top) {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	x, y := bottom[0].DeviceData(d), top[0].MutableDeviceData(d)
	for i := range l.groups {
		b := &l.groups[i].device
		if err := b.reshape(l.c); err != nil {
			return err
		}
		mean, invstd := b.mean.MutableDeviceData(d), b.invstd.MutableDeviceData(d)
		if l.global {
			d.Launch(batchNormGlobal, cuda.Each(l.c), l.Blobs[0].DeviceData(d), l.Blobs[1].DeviceData(d), l.Blobs[2].DeviceData(d),
				l.eps, mean, invstd, l.c)
		} else {
			variance := b.variance.MutableDeviceData(d)
			d.ChannelStats(l.n, l.c, l.s, l.partDevice(x, i), mean, variance)
			d.Launch(batchNormBatch, cuda.Each(l.c), mean, variance, l.eps, l.unbiased(), l.fraction, invstd,
				l.Blobs[0].MutableDeviceData(d), l.Blobs[1].MutableDeviceData(d), l.Blobs[2].MutableDeviceData(d), l.c)
		}
		d.ChannelNormalize(l.n, l.c, l.s, l.partDevice(x, i), mean, invstd, 0, 0, l.partDevice(y, i))
	}
	return nil
}

// partDevice returns where the elements of group i are.
func (l *batchNorm) partDevice(x cuda.Ptr, i int) cuda.Ptr { return x.At(i * l.n * l.c * l.s) }

// BackwardDevice computes the diff of the bottom.
func (l *batchNorm) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	x, dy := bottom[0], top[0].DeviceDiff(d)
	if l.keeps(bottom, top) {
		x = l.kept.Blob()
	}
	dx := bottom[0].MutableDeviceDiff(d)
	for i := range l.groups {
		b := &l.groups[i].device
		if l.global {
			d.ChannelScaleShift(l.n, l.c, l.s, dy, b.invstd.DeviceData(d), 0, dx)
			continue
		}
		d.ChannelNormalizeBackward(l.n, l.c, l.s, l.partDevice(x.DeviceData(d), i), b.mean.DeviceData(d), b.invstd.DeviceData(d), 0,
			l.partDevice(dy, i), l.partDevice(dx, i), 0, 0)
	}
	return nil
}
