package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*split)(nil)

// ForwardDevice makes the data of the bottom those of the tops.
func (l *split) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	for _, t := range top {
		if err := shareOnDevice(d, t, bottom[0]); err != nil {
			return l.spec.ErrorAt("", 0, err)
		}
	}
	return nil
}

// BackwardDevice sets the diff of the bottom to the sum of the diffs of the tops.
func (l *split) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	n, dx := bottom[0].Count(), bottom[0].MutableDeviceDiff(d)
	if len(top) == 1 {
		d.Copy(n, top[0].DeviceDiff(d), dx)
		return nil
	}
	d.Add(n, top[0].DeviceDiff(d), top[1].DeviceDiff(d), dx)
	for _, t := range top[2:] {
		d.Add(n, dx, t.DeviceDiff(d), dx)
	}
	return nil
}
