package nvcaffe

import (
	"context"
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed batch_norm.ptx.gz
var ptx string

var (
	kernels     = cuda.NewModule(ptx)
	kernelBatch = kernels.Kernel("nv_batch")
)

var _ layers.DeviceLayer = (*batchNorm)(nil)

// onDevice holds the layer's data on a device.
type onDevice struct {
	mean, variance, invstd blob.Blob // (c), of the batch
	factor                 blob.Blob // (c), invstd times scale
	kept                   blob.Blob // x, if the layer works in place
}

func (b *onDevice) reshape(c int) error {
	return errors.Join(b.mean.Reshape(c), b.variance.Reshape(c), b.invstd.Reshape(c), b.factor.Reshape(c))
}

// DeviceMode returns OnDevice in training, since the first pass differs.
func (l *batchNorm) DeviceMode() layers.DeviceMode {
	if l.running {
		return layers.Recordable
	}
	return layers.OnDevice
}

// weights returns the addresses of scale and bias, 0 if there are none.
func (l *batchNorm) weights(d *cuda.Device) (factor, shift cuda.Ptr) {
	if !l.affine {
		return 0, 0
	}
	return l.Blobs[scale].DeviceData(d), l.Blobs[bias].DeviceData(d)
}

// statistics returns the address of the mean that Forward used.
func (l *batchNorm) statistics(d *cuda.Device) cuda.Ptr {
	if l.running {
		return l.Blobs[runningMean].DeviceData(d)
	}
	return l.device.mean.DeviceData(d)
}

// ForwardDevice computes the top, and in training moves the running statistics.
func (l *batchNorm) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	b, x := &l.device, bottom[0].DeviceData(d)
	if l.running {
		d.Launch(kernelBatch, cuda.Each(l.c), cuda.Ptr(0), l.Blobs[runningVariance].DeviceData(d), l.eps, float32(0), float32(0), 0,
			b.invstd.MutableDeviceData(d), cuda.Ptr(0), cuda.Ptr(0), l.c)
	} else {
		mean, variance := b.mean.MutableDeviceData(d), b.variance.MutableDeviceData(d)
		d.ChannelStats(l.n, l.c, l.s, x, mean, variance)
		keep, unbiased := l.next()
		d.Launch(kernelBatch, cuda.Each(l.c), mean, variance, l.eps, keep, unbiased, 1,
			b.invstd.MutableDeviceData(d), l.Blobs[runningMean].MutableDeviceData(d), l.Blobs[runningVariance].MutableDeviceData(d), l.c)
	}
	if bottom[0] == top[0] {
		d.Copy(bottom[0].Count(), x, b.kept.MutableDeviceData(d))
	}
	factor, shift := l.weights(d)
	d.ChannelNormalize(l.n, l.c, l.s, x, l.statistics(d), b.invstd.DeviceData(d), factor, shift, top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of the bottom and adds to those of scale and bias.
func (l *batchNorm) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	b, dy := &l.device, top[0].DeviceDiff(d)
	factor, _ := l.weights(d)
	invstd := b.invstd.DeviceData(d)
	var dx, dscale, dbias cuda.Ptr
	if propagateDown[0] && !l.running {
		dx = bottom[0].MutableDeviceDiff(d)
	}
	if l.affine && l.Needs(scale) {
		dscale = l.Blobs[scale].MutableDeviceDiff(d)
	}
	if l.affine && l.Needs(bias) {
		dbias = l.Blobs[bias].MutableDeviceDiff(d)
	}
	x := bottom[0]
	if bottom[0] == top[0] {
		x = &b.kept
	}
	if dx != 0 || dscale != 0 || dbias != 0 {
		d.ChannelNormalizeBackward(l.n, l.c, l.s, x.DeviceData(d), l.statistics(d), invstd, factor, dy, dx, dscale, dbias)
	}
	if propagateDown[0] && l.running {
		each := invstd
		if l.affine {
			each = b.factor.MutableDeviceData(d)
			d.Mul(l.c, invstd, factor, each)
		}
		d.ChannelScaleShift(l.n, l.c, l.s, dy, each, 0, bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
