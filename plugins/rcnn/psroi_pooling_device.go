package rcnn

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed psroi_pooling.ptx.gz
var psroiPoolingPTX string

var (
	psroiPoolingKernels  = cuda.NewModule(psroiPoolingPTX)
	psroiPoolingBins     = psroiPoolingKernels.Kernel("psroi_pooling_bins")
	psroiPoolingForward  = psroiPoolingKernels.Kernel("psroi_pooling_forward")
	psroiPoolingBackward = psroiPoolingKernels.Kernel("psroi_pooling_backward")
)

var (
	_ layers.DeviceLayer   = (*psroiPooling)(nil)
	_ layers.DeviceChecker = (*psroiPooling)(nil)
)

// CheckDevice returns an error if the image of a ROI was out of range.
func (l *psroiPooling) CheckDevice() error { return l.rois.CheckDevice() }

// ForwardDevice computes the top.
func (l *psroiPooling) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	image, _ := l.rois.ReadDevice(d, bottom[1])
	bins, n, group := l.onDevice.MutableDeviceData(d), top[0].Count(), l.options.GroupSize
	d.Launch(psroiPoolingBins, cuda.Each(l.regions), bottom[1].DeviceData(d), l.options.SpatialScale, float32(group), bins, l.regions)
	d.Launch(psroiPoolingForward, cuda.Each(n), bottom[0].DeviceData(d), image, bins, top[0].MutableDeviceData(d), l.c, l.h, l.w, group, n)
	return nil
}

// BackwardDevice computes the diff of the first bottom.
func (l *psroiPooling) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffsDevice(d, propagateDown, bottom, 1)
	if propagateDown[0] {
		image, _ := l.rois.OnDevice(d)
		n := bottom[0].Count()
		d.Launch(psroiPoolingBackward, cuda.Each(n), top[0].DeviceDiff(d), image, l.onDevice.DeviceData(d), bottom[0].MutableDeviceDiff(d),
			l.c, l.h, l.w, l.options.GroupSize, l.regions, n)
	}
	return nil
}
