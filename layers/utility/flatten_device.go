package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*flatten)(nil)

// ForwardDevice makes the data of the bottom those of the top.
func (l *flatten) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	return shareOnDevice(d, top[0], bottom[0])
}

// BackwardDevice passes the diff of the top to the bottom.
func (l *flatten) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		passBackOnDevice(d, bottom[0], top[0])
	}
	return nil
}
