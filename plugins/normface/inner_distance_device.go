package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed inner_distance.ptx.gz
var innerDistancePTX string

var (
	innerDistanceKernels = cuda.NewModule(innerDistancePTX)
	innerDistanceForward = innerDistanceKernels.Kernel("inner_distance_forward")
	innerDistanceMask    = innerDistanceKernels.Kernel("inner_distance_mask")
	innerDistanceL1      = innerDistanceKernels.Kernel("inner_distance_backward_l1")
)

var (
	_ layers.DeviceLayer   = (*innerDistance)(nil)
	_ layers.DeviceChecker = (*innerDistance)(nil)
)

// innerDistanceDevice holds an innerDistance's data on a device, like its slices on
// the host.
type innerDistanceDevice struct{ sums, masked blob.Blob }

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *innerDistance) CheckDevice() error {
	if l.labels == nil {
		return nil
	}
	return l.labels.CheckDevice()
}

// ForwardDevice computes the distances.
func (l *innerDistance) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	const tile = 16
	if l.labels != nil {
		l.labels.ReadDevice(d, bottom[len(bottom)-1])
	}
	if l.options.Normalize && !l.given {
		centers := l.Blobs[0].MutableDeviceData(d)
		d.NormalizeRows(l.n, l.k, normalizeEps, centers, centers)
	}
	d.Launch(innerDistanceForward, cuda.Blocks((l.n+tile-1)/tile, (l.m+tile-1)/tile, 1), bottom[0].DeviceData(d),
		l.centers(bottom).DeviceData(d), top[0].MutableDeviceData(d), l.options.DistanceType == "L1", l.m, l.n, l.k)
	return nil
}

// BackwardDevice computes the diffs of the bottoms, or adds to that of the centers.
func (l *innerDistance) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if l.labels != nil {
		if err := l.spec.NoGradient(propagateDown, len(propagateDown)-1); err != nil {
			return err
		}
	}
	x, w, dy := bottom[0].DeviceData(d), l.centers(bottom).DeviceData(d), top[0].DeviceDiff(d)
	if propagateDown[0] {
		l.backwardItemsDevice(d, x, w, dy, bottom[0].MutableDeviceDiff(d))
	}
	switch {
	case l.given && propagateDown[1]:
		dw := bottom[1].MutableDeviceDiff(d)
		d.Zero(l.n*l.k, dw)
		l.backwardCentersDevice(d, x, w, dy, dw)
	case !l.given && l.Needs(0):
		l.backwardCentersDevice(d, x, w, dy, l.Blobs[0].MutableDeviceDiff(d))
	}
	return nil
}

// backwardItemsDevice sets the diff of x, with L2 to 2 x Σdy - 2 dy w.
func (l *innerDistance) backwardItemsDevice(d *cuda.Device, x, w, dy, dx cuda.Ptr) {
	if l.options.DistanceType == "L1" {
		d.Launch(innerDistanceL1, cuda.Each(l.m*l.k), x, w, dy, dx, false, l.m, l.n, l.n, 1, l.k)
		return
	}
	sums := l.device.sums.MutableDeviceData(d)
	d.ChannelSum(1, l.m, l.n, dy, 0, sums)
	d.ChannelScaleShift(1, l.m, l.k, x, sums, 0, dx)
	d.Gemm(false, false, l.m, l.k, l.n, -2, dy, l.n, w, l.k, 2, dx, l.k)
}

// backwardCentersDevice adds to the diff of w, with L2 2 w Σdy - 2 dyᵀ x.
func (l *innerDistance) backwardCentersDevice(d *cuda.Device, x, w, dy, dw cuda.Ptr) {
	if l.labels != nil {
		class, _ := l.labels.OnDevice(d)
		masked := l.device.masked.MutableDeviceData(d)
		d.Launch(innerDistanceMask, cuda.Each(l.m*l.n), dy, class, masked, l.n, l.m*l.n)
		dy = masked
	}
	if l.options.DistanceType == "L1" {
		d.Launch(innerDistanceL1, cuda.Each(l.n*l.k), w, x, dy, dw, true, l.n, 1, l.m, l.n, l.k)
		return
	}
	sums := l.device.sums.MutableDeviceData(d)
	d.ChannelSum(l.m, l.n, 1, dy, 0, sums)
	scaled := d.Scratch(l.n * l.k)
	d.ChannelScaleShift(1, l.n, l.k, w, sums, 0, scaled)
	d.Axpy(l.n*l.k, 2, scaled, dw)
	d.Gemm(true, false, l.n, l.k, l.m, -2, dy, l.n, x, l.k, 1, dw, l.k)
}
