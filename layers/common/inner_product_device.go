package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*innerProduct)(nil)

// ForwardDevice computes the top.
func (l *innerProduct) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if l.param.GetNormalize() {
		weight := l.Blobs[0].MutableDeviceData(d)
		d.NormalizeRows(l.n, l.k, normalizeEps, weight, weight)
	}
	y := top[0].MutableDeviceData(d)
	d.Gemm(false, !l.transpose, l.m, l.n, l.k, 1, bottom[0].DeviceData(d), l.k, l.weight(bottom).DeviceData(d), l.strideW(), 0, y, l.n)
	if l.param.GetBiasTerm() {
		d.ChannelScaleShift(l.m, l.n, 1, y, 0, l.Blobs[len(l.Blobs)-1].DeviceData(d), y)
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms and adds to those of the
// weights.
func (l *innerProduct) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].DeviceDiff(d)
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		l.backwardWeightDevice(d, bottom[0].DeviceData(d), dy, 0, bottom[1].MutableDeviceDiff(d))
	case len(bottom) == 1 && l.Needs(0):
		l.backwardWeightDevice(d, bottom[0].DeviceData(d), dy, 1, l.Blobs[0].MutableDeviceDiff(d))
	}
	if last := len(l.Blobs) - 1; l.param.GetBiasTerm() && l.Needs(last) {
		d.ChannelSum(l.m, l.n, 1, dy, 1, l.Blobs[last].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		d.Gemm(false, l.transpose, l.m, l.k, l.n, 1, dy, l.n, l.weight(bottom).DeviceData(d), l.strideW(), 0, bottom[0].MutableDeviceDiff(d), l.k)
	}
	return nil
}

// backwardWeightDevice computes dW = dyᵀ·x + beta·dW, or its transpose.
func (l *innerProduct) backwardWeightDevice(d *cuda.Device, x, dy cuda.Ptr, beta float32, dw cuda.Ptr) {
	if l.transpose {
		d.Gemm(true, false, l.k, l.n, l.m, 1, x, l.k, dy, l.n, beta, dw, l.n)
	} else {
		d.Gemm(true, false, l.n, l.k, l.m, 1, dy, l.n, x, l.k, beta, dw, l.k)
	}
}
