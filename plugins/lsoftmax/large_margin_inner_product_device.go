package lsoftmax

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*largeMargin)(nil)

// ForwardDevice computes the tops.
func (l *largeMargin) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	return l.ForwardOn(d, bottom, top, false)
}

// BackwardDevice computes the diff of x and adds to that of the weights.
func (l *largeMargin) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.BackwardOn(d, top, propagateDown, bottom, false)
}
