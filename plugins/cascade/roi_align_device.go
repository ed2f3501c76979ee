package cascade

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed roi_align.ptx.gz
var roiAlignPTX string

var (
	roiAlignKernels  = cuda.NewModule(roiAlignPTX)
	roiAlignPoints   = roiAlignKernels.Kernel("roi_align_points")
	roiAlignForward  = roiAlignKernels.Kernel("roi_align_forward")
	roiAlignBackward = roiAlignKernels.Kernel("roi_align_backward")
)

var (
	_ layers.DeviceLayer   = (*roiAlign)(nil)
	_ layers.DeviceChecker = (*roiAlign)(nil)
)

// CheckDevice returns an error if the image of a ROI was out of range.
func (l *roiAlign) CheckDevice() error { return l.rois.CheckDevice() }

// ForwardDevice computes the top.
func (l *roiAlign) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	image, _ := l.rois.ReadDevice(d, bottom[1])
	points, n, o := l.onDevice.MutableDeviceData(d), top[0].Count(), &l.options
	all := l.regions * (l.gh + l.gw)
	d.Launch(roiAlignPoints, cuda.Each(all), bottom[1].DeviceData(d), o.SpatialScale, o.PadRatio, points, l.h, l.w, l.gh, l.gw, all)
	d.Launch(roiAlignForward, cuda.Each(n), bottom[0].DeviceData(d), image, points, top[0].MutableDeviceData(d), l.c, l.h, l.w, l.gh, l.gw, n)
	return nil
}

// BackwardDevice computes the diff of the first bottom.
func (l *roiAlign) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[1] {
		d.Zero(bottom[1].Count(), bottom[1].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		image, _ := l.rois.OnDevice(d)
		n := bottom[0].Count()
		d.Launch(roiAlignBackward, cuda.Each(n), top[0].DeviceDiff(d), image, l.onDevice.DeviceData(d), bottom[0].MutableDeviceDiff(d),
			l.c, l.h, l.w, l.gh, l.gw, l.regions, n)
	}
	return nil
}
