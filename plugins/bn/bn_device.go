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
	kernels        = cuda.NewModule(ptx)
	kernelBatch    = kernels.Kernel("bn_batch")
	kernelForward  = kernels.Kernel("bn_forward")
	kernelSums     = kernels.Kernel("bn_sums")
	kernelBackward = kernels.Kernel("bn_backward")
)

var _ layers.DeviceLayer = (*bn)(nil)

// onDevice is what the layer keeps on a device.
type onDevice struct {
	mean, invstd blob.Blob // (c), of the batch
	sums         blob.Blob // (c,2) in float64
	means        blob.Blob // (c,2)
	kept         blob.Blob // x, if the layer works in place
}

func (b *onDevice) reshape(c int) error {
	return errors.Join(b.mean.Reshape(c), b.invstd.Reshape(c), b.sums.Reshape(4*c), b.means.Reshape(2*c))
}

// keeps tells whether Backward needs an x that the layer writes over.
func (l *bn) keeps(bottom, top []*blob.Blob) bool { return bottom[0] == top[0] && !l.options.Frozen }

// statistics returns the addresses of the mean and the inverse deviation by which
// Forward has normalized.
func (l *bn) statistics(d *cuda.Device) (mean, invstd cuda.Ptr) {
	if l.running {
		return l.Blobs[runningMean].DeviceData(d), l.Blobs[runningInvStd].DeviceData(d)
	}
	return l.device.mean.DeviceData(d), l.device.invstd.DeviceData(d)
}

// size is how many numbers a channel has.
func (l *bn) size() float64 { return float64(l.n) * float64(l.s) }

// ForwardDevice computes the top, and in training moves the running statistics.
func (l *bn) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	b, x, n := &l.device, bottom[0].DeviceData(d), bottom[0].Count()
	if !l.running {
		sums := b.sums.MutableDeviceData(d)
		d.ChannelSums(l.n, l.c, l.s, x, x, sums)
		d.Launch(kernelBatch, cuda.Each(l.c), sums, l.size(), l.options.Eps, l.options.Momentum, b.mean.MutableDeviceData(d),
			b.invstd.MutableDeviceData(d), l.Blobs[runningMean].MutableDeviceData(d), l.Blobs[runningInvStd].MutableDeviceData(d), l.c)
	}
	if l.keeps(bottom, top) {
		d.Copy(n, x, b.kept.MutableDeviceData(d))
	}
	mean, invstd := l.statistics(d)
	mulInner, shiftInner := cuda.Divisor(max(1, l.s))
	mulChannels, shiftChannels := cuda.Divisor(l.c)
	d.Launch(kernelForward, cuda.Each(n), x, mean, invstd, l.Blobs[slope].DeviceData(d), l.Blobs[bias].DeviceData(d),
		top[0].MutableDeviceData(d), l.c, n, mulInner, shiftInner, mulChannels, shiftChannels)
	return nil
}

// BackwardDevice computes the diff of the bottom and adds to those of slope and
// bias.
func (l *bn) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	b, dy, n := &l.device, top[0].DeviceDiff(d), bottom[0].Count()
	mean, invstd := l.statistics(d)
	var x, means cuda.Ptr
	if !l.options.Frozen {
		x = bottom[0].DeviceData(d)
		if l.keeps(bottom, top) {
			x = b.kept.DeviceData(d)
		}
		var dslope, dbias cuda.Ptr
		if l.Needs(slope) {
			dslope = l.Blobs[slope].MutableDeviceDiff(d)
		}
		if l.Needs(bias) {
			dbias = l.Blobs[bias].MutableDeviceDiff(d)
		}
		sums := b.sums.MutableDeviceData(d)
		means = b.means.MutableDeviceData(d)
		d.ChannelSums(l.n, l.c, l.s, dy, x, sums)
		d.Launch(kernelSums, cuda.Each(l.c), sums, mean, invstd, l.size(), means, dslope, dbias, l.c)
	}
	if !propagateDown[0] {
		return nil
	}
	if l.running {
		means = 0
	}
	mulInner, shiftInner := cuda.Divisor(max(1, l.s))
	mulChannels, shiftChannels := cuda.Divisor(l.c)
	d.Launch(kernelBackward, cuda.Each(n), x, dy, mean, invstd, l.Blobs[slope].DeviceData(d), means,
		bottom[0].MutableDeviceDiff(d), l.c, n, mulInner, shiftInner, mulChannels, shiftChannels)
	return nil
}
