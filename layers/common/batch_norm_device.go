package common

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed batch_norm.ptx.gz
var batchNormPTX string

var (
	batchNormKernels  = cuda.NewModule(batchNormPTX)
	batchNormBatch    = batchNormKernels.Kernel("batch_norm_batch")
	batchNormCount    = batchNormKernels.Kernel("batch_norm_count")
	batchNormGlobal   = batchNormKernels.Kernel("batch_norm_global")
	batchNormForward  = batchNormKernels.Kernel("batch_norm_forward")
	batchNormMeans    = batchNormKernels.Kernel("batch_norm_means")
	batchNormBackward = batchNormKernels.Kernel("batch_norm_backward")
)

var _ layers.DeviceLayer = (*batchNorm)(nil)

// batchNormDevice is what a batchNorm keeps on a device.
type batchNormDevice struct {
	mean, invstd blob.Blob // (c)
	sums         blob.Blob // (c,2) in float64
	means        blob.Blob // (c,2)
	kept         blob.Blob // x, if the layer works in place
}

func (b *batchNormDevice) reshape(c int) error {
	for _, r := range []struct {
		blob *blob.Blob
		n    int
	}{{&b.mean, c}, {&b.invstd, c}, {&b.sums, 4 * c}, {&b.means, 2 * c}} {
		if err := r.blob.Reshape(r.n); err != nil {
			return err
		}
	}
	return nil
}

// ForwardDevice computes the top.
func (l *batchNorm) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	b, x := &l.device, bottom[0].DeviceData(d)
	if err := b.reshape(l.c); err != nil {
		return err
	}
	mean, invstd := b.mean.MutableDeviceData(d), b.invstd.MutableDeviceData(d)
	if l.global {
		d.Launch(batchNormGlobal, cuda.Each(l.c), l.Blobs[0].DeviceData(d), l.Blobs[1].DeviceData(d), l.Blobs[2].DeviceData(d),
			l.eps, mean, invstd, l.c)
	} else {
		sums := b.sums.MutableDeviceData(d)
		d.ChannelSums(l.n, l.c, l.s, x, x, sums)
		d.Launch(batchNormBatch, cuda.Each(l.c), sums, l.size(), l.eps, l.fraction, mean, invstd,
			l.Blobs[0].MutableDeviceData(d), l.Blobs[1].MutableDeviceData(d), l.c)
		d.Launch(batchNormCount, cuda.Each(1), l.Blobs[2].MutableDeviceData(d), l.fraction)
	}
	if l.keeps(bottom, top) {
		if err := b.kept.ReshapeLike(bottom[0]); err != nil {
			return err
		}
		d.Copy(bottom[0].Count(), x, b.kept.MutableDeviceData(d))
	}
	mulInner, shiftInner := cuda.Divisor(max(1, l.s))
	mulChannels, shiftChannels := cuda.Divisor(l.c)
	n := bottom[0].Count()
	d.Launch(batchNormForward, cuda.Each(n), x, mean, invstd, top[0].MutableDeviceData(d), l.c, n,
		mulInner, shiftInner, mulChannels, shiftChannels)
	return nil
}

// size is how many numbers a channel has.
func (l *batchNorm) size() float64 { return float64(l.n) * float64(l.s) }

// BackwardDevice computes the diff of the bottom.
func (l *batchNorm) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	b, dy := &l.device, top[0].DeviceDiff(d)
	if l.global {
		d.ChannelScaleShift(l.n, l.c, l.s, dy, b.invstd.DeviceData(d), 0, bottom[0].MutableDeviceDiff(d))
		return nil
	}
	kept := bottom[0]
	if l.keeps(bottom, top) {
		kept = &b.kept
	}
	x, sums, means := kept.DeviceData(d), b.sums.MutableDeviceData(d), b.means.MutableDeviceData(d)
	mean, invstd := b.mean.DeviceData(d), b.invstd.DeviceData(d)
	d.ChannelSums(l.n, l.c, l.s, dy, x, sums)
	d.Launch(batchNormMeans, cuda.Each(l.c), sums, mean, invstd, l.size(), means, l.c)
	mulInner, shiftInner := cuda.Divisor(max(1, l.s))
	mulChannels, shiftChannels := cuda.Divisor(l.c)
	n := bottom[0].Count()
	d.Launch(batchNormBackward, cuda.Each(n), x, dy, mean, invstd, means, bottom[0].MutableDeviceDiff(d), l.c, n,
		mulInner, shiftInner, mulChannels, shiftChannels)
	return nil
}
