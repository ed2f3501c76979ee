package ssd

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*priorBox)(nil)

// ForwardDevice copies the boxes to the top.
func (l *priorBox) ForwardDevice(_ context.Context, d *cuda.Device, _, top []*blob.Blob) error {
	d.Copy(l.priors.Count(), l.priors.DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

// BackwardDevice sets the diffs of the bottoms to 0.
func (l *priorBox) BackwardDevice(_ context.Context, d *cuda.Device, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			d.Zero(b.Count(), b.MutableDeviceDiff(d))
		}
	}
	return nil
}
