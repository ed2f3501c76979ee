package segmentation

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed interp.ptx.gz
var interpPTX string

var (
	interpKernels  = cuda.NewModule(interpPTX)
	interpForward  = interpKernels.Kernel("interp_forward")
	interpBackward = interpKernels.Kernel("interp_backward")
)

var _ layers.DeviceLayer = (*interp)(nil)

// ForwardDevice computes the top.
func (l *interp) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := top[0].Count()
	d.Launch(interpForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.height, l.width, l.offset,
		l.h, l.w, l.outH, l.outW, ratio(l.h, l.outH), ratio(l.w, l.outW), n)
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *interp) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		n := bottom[0].Count()
		d.Launch(interpBackward, cuda.Each(n), bottom[0].MutableDeviceDiff(d), top[0].DeviceDiff(d), l.height, l.width, -l.options.PadBeg,
			l.h, l.w, l.outH, l.outW, ratio(l.h, l.outH), ratio(l.w, l.outW), n)
	}
	if len(bottom) > 1 && propagateDown[1] {
		d.Zero(bottom[1].Count(), bottom[1].MutableDeviceDiff(d))
	}
	return nil
}
