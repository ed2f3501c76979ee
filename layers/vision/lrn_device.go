package vision

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed lrn.ptx.gz
var lrnPTX string

var (
	lrnKernels  = cuda.NewModule(lrnPTX)
	lrnForward  = lrnKernels.Kernel("lrn_forward")
	lrnRatios   = lrnKernels.Kernel("lrn_ratios")
	lrnBackward = lrnKernels.Kernel("lrn_backward")
)

var _ layers.DeviceLayer = (*lrn)(nil)

// lrnWindows describes the windows to the kernels: sizeR × sizeC elements in planes of
// rows × cols.
type lrnWindows struct {
	rows, cols, sizeR, sizeC int
	alpha, k                 float32 // alpha divided by the size of a window
}

// windows returns the windows in x.
func (l *lrn) windows(x *blob.Blob) lrnWindows {
	if l.within {
		return lrnWindows{x.Dim(2), x.Dim(3), l.size, l.size, l.alpha / float32(l.size*l.size), 1}
	}
	return lrnWindows{x.Dim(1), x.CountFrom(2), l.size, 1, l.alpha / float32(l.size), l.k}
}

// ForwardDevice computes the top.
func (l *lrn) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n, w := bottom[0].Count(), l.windows(bottom[0])
	d.Launch(lrnForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d),
		w.rows, w.cols, w.sizeR, w.sizeC, w.alpha, l.beta, w.k, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *lrn) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	n, w := bottom[0].Count(), l.windows(bottom[0])
	x, dx, ratio := bottom[0].DeviceData(d), bottom[0].MutableDeviceDiff(d), d.Scratch(n)
	d.Launch(lrnRatios, cuda.Each(n), x, top[0].DeviceDiff(d), dx, ratio, w.rows, w.cols, w.sizeR, w.sizeC,
		w.alpha, l.beta, w.k, n)
	d.Launch(lrnBackward, cuda.Each(n), x, ratio, dx, w.rows, w.cols, w.sizeR, w.sizeC, 2*w.alpha*l.beta, n)
	return nil
}
