package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed label_specific_add.ptx.gz
var labelSpecificAddPTX string

var (
	labelSpecificAddKernels = cuda.NewModule(labelSpecificAddPTX)
	labelSpecificAddForward = labelSpecificAddKernels.Kernel("label_specific_add_forward")
)

var _ layers.DeviceLayer = (*labelSpecificAdd)(nil)

// ForwardDevice computes the tops.
func (l *labelSpecificAdd) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class, _ := l.labels.ReadDevice(d, bottom[1])
	bias := l.bias()
	if len(top) == 2 {
		d.Fill(1, bias, top[1].MutableDeviceData(d))
	}
	x, y := bottom[0].DeviceData(d), top[0].MutableDeviceData(d)
	d.Copy(bottom[0].Count(), x, y)
	d.Launch(labelSpecificAddForward, cuda.Each(l.labels.Outer), class, y, bias, l.labels.Classes, l.labels.Outer)
	return nil
}

// BackwardDevice copies the diff of the scores.
func (l *labelSpecificAdd) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		dy := top[0].DeviceDiff(d)
		d.Copy(bottom[0].Count(), dy, bottom[0].MutableDeviceDiff(d))
	}
	return l.spec.NoGradient(propagateDown, 1)
}
