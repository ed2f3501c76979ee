package asoftmax

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*marginInnerProduct)(nil)

// ForwardDevice scales the weights and computes the tops.
func (l *marginInnerProduct) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	return l.ForwardOn(d, bottom, top, true)
}

// BackwardDevice computes the diff of x and adds to that of the weights.
func (l *marginInnerProduct) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.BackwardOn(d, top, propagateDown, bottom, true)
}
