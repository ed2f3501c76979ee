package common

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed mvn.ptx.gz
var mvnPTX string

var (
	mvnKernels  = cuda.NewModule(mvnPTX)
	mvnInvstd   = mvnKernels.Kernel("mvn_invstd")
	mvnMeans    = mvnKernels.Kernel("mvn_means")
	mvnBackward = mvnKernels.Kernel("mvn_backward")
)

var _ layers.DeviceLayer = (*mvn)(nil)

// ForwardDevice computes the top.
func (l *mvn) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	x, mean, invstd, variance := bottom[0].DeviceData(d), l.mean.MutableDeviceData(d), l.invstd.MutableDeviceData(d), l.scratch.MutableDeviceData(d)
	d.ChannelStats(1, l.n, l.dim, x, mean, variance)
	d.Launch(mvnInvstd, cuda.Each(l.n), variance, l.variance, l.eps, invstd, l.n)
	d.ChannelNormalize(1, l.n, l.dim, x, mean, invstd, 0, 0, top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *mvn) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] || bottom[0].Count() == 0 {
		return nil
	}
	y, dy, means := cuda.Ptr(0), top[0].DeviceDiff(d), l.scratch.MutableDeviceData(d)
	if l.variance {
		y = top[0].DeviceData(d)
	}
	if err := l.sums.Reshape(l.n, 4); err != nil {
		return err
	}
	sums := l.sums.MutableDeviceData(d)
	d.ChannelSums(1, l.n, l.dim, dy, y, sums)
	d.Launch(mvnMeans, cuda.Each(2*l.n), sums, float64(l.dim), means, l.n)
	mul, shift := cuda.Divisor(l.dim)
	n := bottom[0].Count()
	d.Launch(mvnBackward, cuda.Each(n), y, dy, means, l.invstd.DeviceData(d), bottom[0].MutableDeviceDiff(d), n, mul, shift)
	return nil
}
