package rcnn

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed roi_pooling.ptx.gz
var roiPoolingPTX string

var (
	roiPoolingKernels  = cuda.NewModule(roiPoolingPTX)
	roiPoolingSpans    = roiPoolingKernels.Kernel("roi_pooling_spans")
	roiPoolingForward  = roiPoolingKernels.Kernel("roi_pooling_forward")
	roiPoolingBackward = roiPoolingKernels.Kernel("roi_pooling_backward")
)

var (
	_ layers.DeviceLayer   = (*roiPooling)(nil)
	_ layers.DeviceChecker = (*roiPooling)(nil)
)

// CheckDevice returns an error if the image of a ROI was out of range.
func (l *roiPooling) CheckDevice() error { return l.rois.CheckDevice() }

// ForwardDevice computes the top.
func (l *roiPooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	image, _ := l.rois.ReadDevice(d, bottom[1])
	span, n := l.span.MutableDeviceData(d), top[0].Count()
	d.Launch(roiPoolingSpans, cuda.Each(4*l.regions), bottom[1].DeviceData(d), l.options.SpatialScale, l.options.PadRatio, span, 4*l.regions)
	d.Launch(roiPoolingForward, cuda.Each(n), bottom[0].DeviceData(d), image, span, top[0].MutableDeviceData(d), l.kept.MutableDeviceData(d),
		l.c, l.h, l.w, l.ph, l.pw, n)
	return nil
}

// BackwardDevice computes the diff of the first bottom.
func (l *roiPooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffsDevice(d, propagateDown, bottom, 1)
	if propagateDown[0] {
		image, _ := l.rois.OnDevice(d)
		n := bottom[0].Count()
		d.Launch(roiPoolingBackward, cuda.Each(n), top[0].DeviceDiff(d), image, l.span.DeviceData(d), l.kept.DeviceData(d), bottom[0].MutableDeviceDiff(d),
			l.c, l.h, l.w, l.ph, l.pw, l.regions, n)
	}
	return nil
}
