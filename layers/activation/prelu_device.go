package activation

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed prelu.ptx.gz
var preluPTX string

var (
	preluKernels  = cuda.NewModule(preluPTX)
	preluForward  = preluKernels.Kernel("prelu_forward")
	preluBackward = preluKernels.Kernel("prelu_backward")
)

var _ layers.DeviceLayer = (*prelu)(nil)

// ForwardDevice computes the top.
func (l *prelu) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, x := bottom[0].Count(), bottom[0].DeviceData(d)
	if n == 0 {
		return nil
	}
	if bottom[0] == top[0] {
		if err := l.kept.KeepDevice(d, bottom[0]); err != nil {
			return err
		}
	}
	slopes, dim := l.slopes()
	mulDim, shiftDim := cuda.Divisor(dim)
	mulSlopes, shiftSlopes := cuda.Divisor(slopes)
	d.Launch(preluForward, cuda.Each(n), x, l.Blobs[0].DeviceData(d), top[0].MutableDeviceData(d), slopes, n,
		mulDim, shiftDim, mulSlopes, shiftSlopes)
	return nil
}

// BackwardDevice computes the diff of the bottom and adds to that of the slopes.
func (l *prelu) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	n, x, dy := bottom[0].Count(), bottom[0], top[0].DeviceDiff(d)
	if n == 0 || !propagateDown[0] && !l.Needs(0) {
		return nil
	}
	if bottom[0] == top[0] {
		x = l.kept.Blob()
	}
	var dx, terms cuda.Ptr
	if propagateDown[0] {
		dx = bottom[0].MutableDeviceDiff(d)
	}
	if l.Needs(0) {
		if err := l.terms.ReshapeLike(bottom[0]); err != nil {
			return err
		}
		terms = l.terms.MutableDeviceData(d)
	}
	slopes, dim := l.slopes()
	mulDim, shiftDim := cuda.Divisor(dim)
	mulSlopes, shiftSlopes := cuda.Divisor(slopes)
	d.Launch(preluBackward, cuda.Each(n), x.DeviceData(d), dy, l.Blobs[0].DeviceData(d), dx, terms, slopes, n,
		mulDim, shiftDim, mulSlopes, shiftSlopes)
	if l.Needs(0) {
		d.ChannelSum(n/(slopes*dim), slopes, dim, terms, 1, l.Blobs[0].MutableDeviceDiff(d))
	}
	return nil
}
