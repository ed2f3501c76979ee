package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*silence)(nil)

// ForwardDevice does nothing.
func (l *silence) ForwardDevice(_ context.Context, _ *cuda.Device, bottom, top []*blob.Blob) error {
	return nil
}

// BackwardDevice sets the diffs of the bottoms to 0.
func (l *silence) BackwardDevice(_ context.Context, d *cuda.Device, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			d.Zero(b.Count(), b.MutableDeviceDiff(d))
		}
	}
	return nil
}
