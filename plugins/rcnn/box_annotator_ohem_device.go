package rcnn

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed box_annotator_ohem.ptx.gz
var boxAnnotatorOHEMPTX string

var (
	boxAnnotatorOHEMKernels = cuda.NewModule(boxAnnotatorOHEMPTX)
	boxAnnotatorOHEMForward = boxAnnotatorOHEMKernels.Kernel("box_annotator_ohem")
)

var (
	_ layers.DeviceLayer   = (*boxAnnotatorOHEM)(nil)
	_ layers.DeviceChecker = (*boxAnnotatorOHEM)(nil)
)

// CheckDevice returns an error if the image of a ROI was out of range.
func (l *boxAnnotatorOHEM) CheckDevice() error { return l.rois.CheckDevice() }

// ForwardDevice computes the tops.
func (l *boxAnnotatorOHEM) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	image, _ := l.rois.ReadDevice(d, bottom[0])
	d.Launch(boxAnnotatorOHEMForward, cuda.Each(l.regions), image, bottom[1].DeviceData(d), bottom[2].DeviceData(d), bottom[3].DeviceData(d),
		int(l.options.ROIPerImg), float32(l.options.IgnoreLabel), bottom[3].CountFrom(1),
		top[0].MutableDeviceData(d), top[1].MutableDeviceData(d), l.regions)
	return nil
}

// BackwardDevice sets the diffs of the bottoms to 0.
func (l *boxAnnotatorOHEM) BackwardDevice(_ context.Context, d *cuda.Device, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffsDevice(d, propagateDown, bottom, 0)
	return nil
}
