package bn

import (
	"context"
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed bn.ptx.gz
var ptx string

var (
	kernels      = cuda.NewModule(ptx)
	kernelBatch  = kernels.Kernel("bn_batch")
	kernelInvert = kernels.Kernel("bn_invert")
)

var _ layers.DeviceLayer = (*bn)(nil)

// onDevice holds the layer's data on a device.
type onDevice struct {
	mean, variance, invstd blob.Blob // (c), of the batch
	factor                 blob.Blob // (c), invstd times slope
	kept                   blob.Blob // x, if the layer works in place
}

func (b *onDevice) reshape(c int) error {
	return errors.Join(b.mean.Reshape(c), b.variance.Reshape(c), b.invstd.Reshape(c), b.factor.Reshape(c))
}

// keeps reports whether Backward needs an x that the layer overwrites.
func (l *bn) keeps(bottom, top []*blob.Blob) bool { return bottom[0] == top[0] && !l.options.Frozen }

// statistics returns the addresses of the mean and the inverse standard deviation
// that Forward used.
func (l *bn) statistics(d *cuda.Device) (mean, invstd cuda.Ptr) {
	switch {
	case l.running && l.pspnet:
		return l.Blobs[runningMean].DeviceData(d), l.device.invstd.DeviceData(d)
	case l.running:
		return l.Blobs[runningMean].DeviceData(d), l.Blobs[runningSpread].DeviceData(d)
	}
	return l.device.mean.DeviceData(d), l.device.invstd.DeviceData(d)
}

// ForwardDevice computes the top, and in training moves the running statistics.
func (l *bn) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	b, x := &l.device, bottom[0].DeviceData(d)
	switch {
	case l.running && l.pspnet:
		d.Launch(kernelInvert, cuda.Each(l.c), l.Blobs[runningSpread].DeviceData(d), l.options.Eps, b.invstd.MutableDeviceData(d), l.c)
	case !l.running:
		mean, variance := b.mean.MutableDeviceData(d), b.variance.MutableDeviceData(d)
		d.ChannelStats(l.n, l.c, l.s, x, mean, variance)
		d.Launch(kernelBatch, cuda.Each(l.c), mean, variance, l.options.Eps, l.options.Momentum, b.invstd.MutableDeviceData(d),
			l.Blobs[runningMean].MutableDeviceData(d), l.Blobs[runningSpread].MutableDeviceData(d), l.pspnet, l.c)
	}
	if l.keeps(bottom, top) {
		d.Copy(bottom[0].Count(), x, b.kept.MutableDeviceData(d))
	}
	mean, invstd := l.statistics(d)
	d.ChannelNormalize(l.n, l.c, l.s, x, mean, invstd, l.Blobs[slope].DeviceData(d), l.Blobs[bias].DeviceData(d),
		top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of the bottom and adds to those of slope and
// bias.
func (l *bn) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	b, dy, factor := &l.device, top[0].DeviceDiff(d), l.Blobs[slope].DeviceData(d)
	mean, invstd := l.statistics(d)
	var dx, dslope, dbias cuda.Ptr
	if propagateDown[0] && !l.running {
		dx = bottom[0].MutableDeviceDiff(d)
	}
	if !l.options.Frozen {
		x := bottom[0]
		if l.keeps(bottom, top) {
			x = &b.kept
		}
		if l.Needs(slope) {
			dslope = l.Blobs[slope].MutableDeviceDiff(d)
		}
		if l.Needs(bias) {
			dbias = l.Blobs[bias].MutableDeviceDiff(d)
		}
		d.ChannelNormalizeBackward(l.n, l.c, l.s, x.DeviceData(d), mean, invstd, factor, dy, dx, dslope, dbias)
	}
	if propagateDown[0] && l.running {
		scale := b.factor.MutableDeviceData(d)
		d.Mul(l.c, invstd, factor, scale)
		d.ChannelScaleShift(l.n, l.c, l.s, dy, scale, 0, bottom[0].MutableDeviceDiff(d))
	}
	return nil
}
