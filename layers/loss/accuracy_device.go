package loss

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed accuracy.ptx.gz
var accuracyPTX string

var (
	accuracyKernels = cuda.NewModule(accuracyPTX)
	accuracyCount   = accuracyKernels.Kernel("accuracy_count")
	accuracyTop     = accuracyKernels.Kernel("accuracy_top")
)

var (
	_ layers.DeviceLayer   = (*accuracy)(nil)
	_ layers.DeviceChecker = (*accuracy)(nil)
)

// ForwardDevice computes the tops.
func (l *accuracy) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	classes, inner := l.labels.Classes, l.labels.Inner
	if err := l.counts.Reshape(2*classes + 1); err != nil {
		return err
	}
	class, valid := l.labels.ReadDevice(d, bottom[1])
	counts, places := l.counts.MutableDeviceData(d), bottom[1].Count()
	d.Zero(l.counts.Count(), counts)
	d.Launch(accuracyCount, cuda.Each(places), bottom[0].DeviceData(d), class, l.sign, l.topK, counts, classes, inner, places)
	perClass := cuda.Ptr(0)
	if len(top) == 2 {
		perClass = top[1].MutableDeviceData(d)
	}
	d.Launch(accuracyTop, cuda.Each(classes), counts, valid, top[0].MutableDeviceData(d), perClass, classes)
	return nil
}

// CheckDevice returns an error if a label was out of range.
func (l *accuracy) CheckDevice() error { return l.labels.CheckDevice() }

// BackwardDevice fails as Backward does.
func (l *accuracy) BackwardDevice(ctx context.Context, _ *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.Backward(ctx, top, propagateDown, bottom)
}
