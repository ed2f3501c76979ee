package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*filter)(nil)

// DeviceMode returns that the passes run on a device, but cannot be recorded: the host
// reads the selector, for the shapes of the tops.
func (l *filter) DeviceMode() layers.DeviceMode { return layers.OnDevice }

// ForwardDevice computes the tops.
func (l *filter) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.choose(bottom, top); err != nil {
		return err
	}
	n := len(l.index)
	if err := l.onDevice.Reshape(n); err != nil {
		return err
	}
	copy(cuda.Ints(l.onDevice.MutableData()), l.index)
	index := l.onDevice.DeviceData(d)
	for i, y := range top {
		d.GatherRows(n, y.CountFrom(1), bottom[i].DeviceData(d), index, y.MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *filter) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, len(top)); err != nil {
		return err
	}
	index := l.onDevice.DeviceData(d)
	for i, y := range top {
		if propagateDown[i] {
			dx := bottom[i].MutableDeviceDiff(d)
			d.Zero(bottom[i].Count(), dx)
			d.ScatterAddRows(len(l.index), y.CountFrom(1), y.DeviceDiff(d), index, dx)
		}
	}
	return nil
}
